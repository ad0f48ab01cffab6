"use strict";

// Shows the steps of a sign-up as they happen. Without it the page reloads by
// itself.
(() => {
  const page = document.querySelector("[data-events]");
  if (!page) return;
  const steps = document.getElementById("steps");
  const now = document.getElementById("now");
  const done = document.getElementById("done");
  const states = {"step begun": "begun", "step done": "done", "step undone": "undone", "failed": "failed"};
  const words = {begun: "under way", done: "done", undone: "taken back", failed: "being tried again"};
  const began = new Map();

  const row = (name) => {
    for (const li of steps.children) if (li.dataset.step === name) return li;
    const li = document.createElement("li");
    li.dataset.step = name;
    for (const part of ["title", "state", "time"]) {
      const span = document.createElement("span");
      span.className = part;
      li.append(span, " ");
    }
    li.querySelector(".title").textContent = name;
    steps.append(li);
    return li;
  };

  const show = (event) => {
    done.value = event.percent;
    if (event.type === "undoing") now.textContent = "Something went wrong. Everything is being taken back.";
    const state = states[event.type];
    if (!event.step) return;
    const li = row(event.step);
    const title = li.querySelector(".title").textContent;
    if (event.message) now.textContent = title + ": " + event.message;
    if (!state) return;
    li.dataset.state = state;
    li.querySelector(".state").textContent = words[state];
    if (state === "begun") {
      began.set(event.step, Date.parse(event.at));
      now.textContent = title + " …";
    }
    if (state === "done" && began.has(event.step)) {
      const seconds = Math.max(0, Date.parse(event.at) - began.get(event.step)) / 1000;
      li.querySelector(".time").textContent = seconds.toFixed(2) + " s";
    }
    if (state === "failed") now.textContent = title + ": being tried again.";
  };

  const source = new EventSource(page.dataset.events);
  source.onmessage = (message) => show(JSON.parse(message.data));
  source.addEventListener("end", () => {
    source.close();
    location.reload();
  });
  // A server that has no room for another follower ends it: then the page
  // is asked again.
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
  };
})();
