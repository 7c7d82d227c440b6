package framebuffer

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Field are the bits of one colour in a pixel.
type Field struct{ Offset, Length int }

// Geometry is how the pixels lie.
type Geometry struct {
	Width, Height    int // pixels that can be seen
	X, Y             int // of the first of them in memory
	Stride           int // bytes from row to row
	BitsPerPixel     int // 16 or 32
	Red, Green, Blue Field
	Memory           int // bytes
}

// maxPixels bounds each direction.
const maxPixels = 8192

func (g Geometry) check() error {
	depth := g.BitsPerPixel / 8
	switch {
	case g.BitsPerPixel != 16 && g.BitsPerPixel != 32:
		return fmt.Errorf("%w, they have %d", errDepth, g.BitsPerPixel)
	case g.Width < 1 || g.Width > maxPixels || g.Height < 1 || g.Height > maxPixels:
		return fmt.Errorf("%d by %d pixels, 1 to %d wanted", g.Width, g.Height, maxPixels)
	case g.X < 0 || g.X > maxPixels || g.Y < 0 || g.Y > 4*maxPixels:
		return fmt.Errorf("picture at %d, %d in memory", g.X, g.Y)
	case g.Stride < (g.X+g.Width)*depth || g.Stride > 4*maxPixels*depth:
		return fmt.Errorf("%d bytes in a row of %d pixels", g.Stride, g.X+g.Width)
	case g.bytes() > g.Memory:
		return fmt.Errorf("%d bytes of memory, %d wanted", g.Memory, g.bytes())
	}
	for _, f := range []Field{g.Red, g.Green, g.Blue} {
		if f.Offset < 0 || f.Length < 1 || f.Length > 8 || f.Offset+f.Length > g.BitsPerPixel {
			return fmt.Errorf("a colour of %d bits from bit %d in pixels of %d", f.Length, f.Offset, g.BitsPerPixel)
		}
	}
	return nil
}

// bytes is what has to be mapped to reach every pixel.
func (g Geometry) bytes() int { return (g.Y + g.Height) * g.Stride }

// offset is where a pixel begins in memory.
func (g Geometry) offset(x, y int) int { return (g.Y+y)*g.Stride + (g.X+x)*g.BitsPerPixel/8 }

// pixel is a colour as it is in memory, in the byte order of the machine.
func (g Geometry) pixel(c Colour) []byte {
	var v uint32
	for _, part := range []struct {
		value uint8
		field Field
	}{{c.R, g.Red}, {c.G, g.Green}, {c.B, g.Blue}} {
		v |= uint32(part.value>>(8-part.field.Length)) << part.field.Offset
	}
	if g.BitsPerPixel == 16 {
		return binary.NativeEndian.AppendUint16(nil, uint16(v))
	}
	return binary.NativeEndian.AppendUint32(nil, v)
}

// Requests of linux/fb.h.
const (
	fbioGetVScreenInfo = 0x4600
	fbioGetFScreenInfo = 0x4602
)

// bitfield is struct fb_bitfield.
type bitfield struct{ offset, length, msbRight uint32 }

// varScreenInfo is struct fb_var_screeninfo, 160 bytes on every machine.
type varScreenInfo struct {
	xres, yres, xresVirtual, yresVirtual, xoffset, yoffset uint32
	bitsPerPixel, grayscale                                uint32
	red, green, blue, transp                               bitfield
	_                                                      [20]uint32
}

// fixScreenInfo is struct fb_fix_screeninfo; an unsigned long is a uintptr.
type fixScreenInfo struct {
	id                               [16]byte
	smemStart                        uintptr
	smemLen, kind, typeAux, visual   uint32
	xpanstep, ypanstep, ywrapstep, _ uint16
	lineLength                       uint32
	mmioStart                        uintptr
	mmioLen, accel                   uint32
	_                                [3]uint16
}

// askKernel reads the geometry of an open framebuffer.
func askKernel(fd int) (Geometry, error) {
	var v varScreenInfo
	var f fixScreenInfo
	if err := ioctl(fd, fbioGetVScreenInfo, unsafe.Pointer(&v)); err != nil {
		return Geometry{}, fmt.Errorf("ask for the picture (is it a framebuffer): %w", err)
	}
	if err := ioctl(fd, fbioGetFScreenInfo, unsafe.Pointer(&f)); err != nil {
		return Geometry{}, fmt.Errorf("ask for the memory: %w", err)
	}
	return geometryOf(v, f), nil
}

func geometryOf(v varScreenInfo, f fixScreenInfo) Geometry {
	field := func(b bitfield) Field { return Field{clamp(b.offset), clamp(b.length)} }
	return Geometry{
		Width: clamp(v.xres), Height: clamp(v.yres), X: clamp(v.xoffset), Y: clamp(v.yoffset),
		Stride: clamp(f.lineLength), BitsPerPixel: clamp(v.bitsPerPixel), Memory: clamp(f.smemLen),
		Red: field(v.red), Green: field(v.green), Blue: field(v.blue),
	}
}

// clamp keeps a number of the kernel's within an int of 32 bits.
func clamp(n uint32) int { return int(min(n, 1<<30)) }

func ioctl(fd int, request uintptr, into unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(into)); errno != 0 {
		return errno
	}
	return nil
}
