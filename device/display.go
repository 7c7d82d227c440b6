package device

import "context"

// Display is a grid of characters. One goroutine uses it at a time.
type Display interface {
	// Size is its columns and rows. A CJK character takes two columns.
	Size() (columns, rows int)
	// Has tells whether there is a glyph for r. Without one '?' is shown, so that a caller
	// that has the text in another language takes that.
	Has(r rune) bool
	// Show replaces all that is shown, the top line first. Lines that are missing are
	// blank, and what does not fit is cut.
	Show(ctx context.Context, lines []string) error
	// Refresh writes again what is shown, nothing before the first Show: one that had lost
	// its power shows it again, and one that is gone is found out.
	Refresh(ctx context.Context) error
	// Close ends the driver, and what it drives with it.
	Close() error
}
