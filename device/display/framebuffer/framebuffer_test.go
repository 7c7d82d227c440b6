package framebuffer

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"posd/device"
)

// The screens that the tests have: the usual two kinds of pixel, one of them panned.
var (
	rgb565 = Geometry{
		Width: 320, Height: 240, Stride: 640, BitsPerPixel: 16, Memory: 640 * 240,
		Red: Field{11, 5}, Green: Field{5, 6}, Blue: Field{0, 5},
	}
	xrgb8888 = Geometry{
		Width: 300, Height: 200, X: 2, Y: 200, Stride: 1280, BitsPerPixel: 32, Memory: 1280 * 400,
		Red: Field{16, 8}, Green: Field{8, 8}, Blue: Field{0, 8},
	}
)

// screen opens a display on a plain file of the right size.
func screen(t *testing.T, g Geometry, config Config) (*Display, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fb0")
	if err := os.WriteFile(path, make([]byte, g.Memory), 0o600); err != nil {
		t.Fatal(err)
	}
	config.Path = path
	d, err := open(config, func(int) (Geometry, error) { return g, nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, path
}

// pixelAt reads a pixel of the file: true for ink.
func pixelAt(t *testing.T, path string, g Geometry, x, y int, ink, paper uint32) bool {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := (g.Y+y)*g.Stride + (g.X+x)*g.BitsPerPixel/8
	var v uint32
	if g.BitsPerPixel == 16 {
		v = uint32(binary.NativeEndian.Uint16(b[at:]))
	} else {
		v = binary.NativeEndian.Uint32(b[at:])
	}
	if v != ink && v != paper {
		t.Fatalf("pixel %d, %d is %06X, neither ink nor paper", x, y, v)
	}
	return v == ink
}

func TestPixels(t *testing.T) {
	for _, row := range []struct {
		name       string
		g          Geometry
		ink, paper uint32
	}{
		{"16 bits", rgb565, 0xFFE0, 0x0010},
		{"32 bits", xrgb8888, 0xFFFF00, 0x000080},
	} {
		t.Run(row.name, func(t *testing.T) {
			d, path := screen(t, row.g, Config{Columns: 10, Rows: 4, Ink: Colour{255, 255, 0}, Paper: Colour{0, 0, 128}})
			if err := d.Show(t.Context(), []string{"", "L"}); err != nil {
				t.Fatal(err)
			}
			scale := min(row.g.Width/60, row.g.Height/40)
			left, top := (row.g.Width-60*scale)/2, (row.g.Height-40*scale)/2
			for y := range 10 {
				for x := range 6 { // an L: its stem, and its foot in the seventh row
					want := x == 0 && y < 7 || x < 5 && y == 6
					for _, corner := range [][2]int{{0, 0}, {scale - 1, scale - 1}} {
						px, py := left+x*scale+corner[0], top+(10+y)*scale+corner[1]
						if got := pixelAt(t, path, row.g, px, py, row.ink, row.paper); got != want {
							t.Errorf("dot %d, %d: ink %v", x, y, got)
						}
					}
				}
			}
			for _, p := range [][2]int{{0, 0}, {row.g.Width - 1, row.g.Height - 1}} { // the margin
				if pixelAt(t, path, row.g, p[0], p[1], row.ink, row.paper) {
					t.Errorf("ink at %v", p)
				}
			}
			d.Close()
			if pixelAt(t, path, row.g, left, top+10*scale, row.ink, row.paper) {
				t.Error("the text stays after Close")
			}
		})
	}
}

// text reads the grid back by comparing dots with the font.
func text(t *testing.T, d *Display) []string {
	t.Helper()
	var out []string
	for row := range d.config.Rows {
		line := ""
		for column := range d.config.Columns {
			var g glyph
			for y := range glyphHeight {
				for x := range glyphWidth {
					at := d.geometry.offset(d.left+(column*cellWidth+x)*d.scale, d.top+(row*cellHeight+y)*d.scale)
					if string(d.memory[at:at+len(d.ink)]) == string(d.ink) {
						g[y] |= 1 << (glyphWidth - 1 - x)
					}
				}
			}
			found := '\ufffd'
			for r, known := range d.font {
				if known == g {
					found = r
				}
			}
			line += string(found)
		}
		out = append(out, line)
	}
	return out
}

func TestShow(t *testing.T) {
	d, _ := screen(t, rgb565, Config{})
	if columns, rows := d.Size(); columns != DefaultColumns || rows != DefaultRows {
		t.Errorf("size %d, %d", columns, rows)
	}
	for _, row := range []struct{ lines, want []string }{
		{[]string{"INSERT CARD", "", "AMOUNT ¥12.50"}, []string{"INSERT CARD", "", "AMOUNT ¥12.50"}},
		{[]string{"REMOVE CARD"}, []string{"REMOVE CARD"}},
		{[]string{"请插卡 ok", "a\x1b[2Jb"}, []string{"?????? ok", "a[2Jb"}},
		{[]string{strings.Repeat("x", 30)}, []string{strings.Repeat("x", 24)}},
		{nil, nil},
	} {
		if err := d.Show(t.Context(), row.lines); err != nil {
			t.Fatal(err)
		}
		for i, got := range text(t, d) {
			want := ""
			if i < len(row.want) {
				want = row.want[i]
			}
			if strings.TrimRight(got, " ") != want {
				t.Errorf("row %d: %q, want %q", i+1, got, want)
			}
		}
	}
	if err := d.Show(t.Context(), []string{"KEPT"}); err != nil {
		t.Fatal(err)
	}
	clear(d.memory) // somebody else has drawn on it
	if err := d.Refresh(t.Context()); err != nil || strings.TrimRight(text(t, d)[0], " ") != "KEPT" {
		t.Errorf("refreshed: %q, %v", text(t, d), err)
	}
	if d.Has('请') || !d.Has('~') || !d.Has('¥') {
		t.Error("glyphs")
	}
	d.Close()
	if err := d.Show(t.Context(), nil); !errors.Is(err, device.ErrGone) {
		t.Errorf("after Close: %v", err)
	}
	if err := d.Refresh(t.Context()); !errors.Is(err, device.ErrGone) {
		t.Errorf("refreshed after Close: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Every printable character of ASCII has a glyph of its own.
func TestFont(t *testing.T) {
	font, err := parseFont(fontText)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[glyph]rune{}
	for r, g := range font {
		if other, twice := seen[g]; twice {
			t.Errorf("%q looks like %q", r, other)
		}
		seen[g] = r
	}
	for r := ' '; r <= '~'; r++ {
		if _, ok := font[r]; !ok {
			t.Errorf("no glyph for %q", r)
		}
	}
}

func TestParseFontNamesWhatIsWrong(t *testing.T) {
	blank := strings.Repeat(".....\n", 9)
	for want, text := range map[string]string{
		"band 1 has 1 lines":   "A",
		"band 1, 'A': a row":   "A\n" + strings.Repeat("....\n", 9),
		"'x' is no dot":        "A\n" + strings.Repeat("..x..\n", 9),
		"band 2: 'A' is there": "A\n" + blank + "\nA\n" + blank,
	} {
		if _, err := parseFont(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

func FuzzFont(f *testing.F) {
	f.Add(fontText)
	f.Fuzz(func(t *testing.T, text string) {
		font, err := parseFont(text)
		if err == nil && len(font) > len(text) {
			t.Errorf("%d glyphs", len(font))
		}
	})
}

// The structures are those of linux/fb.h.
func TestKernelStructures(t *testing.T) {
	if got := unsafe.Sizeof(varScreenInfo{}); got != 160 {
		t.Errorf("fb_var_screeninfo has %d bytes, 160 wanted", got)
	}
	want, line := uintptr(80), uintptr(48)
	if unsafe.Sizeof(uintptr(0)) == 4 {
		want, line = 68, 44
	}
	if got, at := unsafe.Sizeof(fixScreenInfo{}), unsafe.Offsetof(fixScreenInfo{}.lineLength); got != want || at != line {
		t.Errorf("fb_fix_screeninfo has %d bytes, %d wanted; line_length at %d, %d wanted", got, want, at, line)
	}
	v := varScreenInfo{xres: 800, yres: 480, yoffset: 480, bitsPerPixel: 16, red: bitfield{11, 5, 0}, green: bitfield{5, 6, 0}, blue: bitfield{0, 5, 0}}
	got := geometryOf(v, fixScreenInfo{lineLength: 1600, smemLen: 1600 * 960})
	if want := (Geometry{800, 480, 0, 480, 1600, 16, Field{11, 5}, Field{5, 6}, Field{0, 5}, 1600 * 960}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if err := got.check(); err != nil {
		t.Error(err)
	}
}

func TestScreensThatAreRefused(t *testing.T) {
	for want, edit := range map[string]func(*Geometry, *Config){
		"pixels of 16 or 32":     func(g *Geometry, _ *Config) { g.BitsPerPixel = 24 },
		"0 by 240 pixels":        func(g *Geometry, _ *Config) { g.Width = 0 },
		"100 bytes in a row":     func(g *Geometry, _ *Config) { g.Stride = 100 },
		"1000 bytes of memory":   func(g *Geometry, _ *Config) { g.Memory = 1000 },
		"a colour of 5 bits":     func(g *Geometry, _ *Config) { g.Red.Offset = 12 },
		"a colour of 0 bits":     func(g *Geometry, _ *Config) { g.Blue.Length = 0 },
		"picture at 0":           func(g *Geometry, _ *Config) { g.Y = 1 << 30 },
		"no room for 60 columns": func(_ *Geometry, c *Config) { c.Columns = 60 },
		"513 rows":               func(_ *Geometry, c *Config) { c.Rows = 513 },
	} {
		g, c := rgb565, Config{Path: filepath.Join(t.TempDir(), "fb0")}
		if err := os.WriteFile(c.Path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		edit(&g, &c)
		if _, err := open(c, func(int) (Geometry, error) { return g, nil }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	plain := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Path: plain}); err == nil || !strings.Contains(err.Error(), "is it a framebuffer") {
		t.Errorf("a plain file: %v", err)
	}
	if _, err := Open(Config{Path: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
