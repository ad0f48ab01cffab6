// Package cover draws covers for records that have none.
package cover

import (
	"bytes"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
)

// Size is the width and height of a cover in pixels.
const Size = 160

// Draw returns a PNG of rings around a label, whose colours and widths come
// from the words: the same for the same words.
func Draw(words ...string) ([]byte, error) {
	h := fnv.New64a()
	for _, word := range words {
		_, _ = h.Write([]byte(word + "\x00")) // never fails
	}
	seed := h.Sum64()
	img := image.NewPaletted(image.Rect(0, 0, Size, Size), palette(seed))
	width := 6 + int(seed>>40%9)
	cx, cy := Size/4+int(seed>>16%(Size/2)), Size/4+int(seed>>24%(Size/2))
	for y := range Size {
		for x := range Size {
			square := (x-cx)*(x-cx) + (y-cy)*(y-cy)
			ring := 0
			for (ring+1)*(ring+1)*width*width <= square {
				ring++
			}
			img.SetColorIndex(x, y, uint8(ring%len(img.Palette))) //nolint:gosec // G115: a palette has few colours
		}
	}
	var out bytes.Buffer
	err := png.Encode(&out, img)
	return out.Bytes(), err
}

// palette mixes a few colours that go with each other: one hue, from dark to
// light, and its opposite once.
func palette(seed uint64) color.Palette {
	const parts = 255
	r, g, b := uint8(seed), uint8(seed>>8), uint8(seed>>16) //nolint:gosec // G115: a byte each is what is wanted
	shade := func(share int) color.Color {
		mix := func(c uint8) uint8 { return uint8((int(c)*share + parts*(parts-share)) / parts) } //nolint:gosec // G115: at most 255
		return color.RGBA{mix(r), mix(g), mix(b), parts}
	}
	return color.Palette{shade(255), shade(190), shade(120), color.RGBA{parts - r, parts - g, parts - b, parts}, shade(60)}
}
