package httptenant

// pageHTML is the whole page: no script, no font, no image, nothing fetched,
// and nothing of the request. Colours follow the reader's dark or light.
const pageHTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{.Title}}</title>
<style>
:root { color-scheme: light dark; --ink: #1d1f24; --soft: #6a6f7b; --paper: #f6f5f2; --card: #fff; --line: #e3e1dc; --brick: #b4532f }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceae6; --soft: #9a9da6; --paper: #16171a; --card: #1f2125; --line: #32353b; --brick: #e08a63 }
}
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  background: var(--paper); color: var(--ink); font: 1.05rem/1.6 system-ui, sans-serif }
main { max-width: 30rem; width: 100%; padding: 2.5rem; background: var(--card);
  border: 1px solid var(--line); border-top: 4px solid var(--brick); border-radius: .6rem }
p { margin: 0 } .status { color: var(--brick); font-weight: 600; letter-spacing: .08em; font-variant-numeric: tabular-nums }
h1 { margin: .2rem 0 .8rem; font-size: 1.7rem; line-height: 1.2; letter-spacing: -.01em } .detail { color: var(--soft) }
</style>
</head>
<body>
<main>
<p class="status">{{.Status}}</p>
<h1>{{.Title}}</h1>
<p class="detail">{{.Detail}}</p>
</main>
</body>
</html>
`
