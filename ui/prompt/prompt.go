package prompt

import (
	"strings"

	"posd/emv/payment"
	"posd/ui/text"
)

// numbers are the message identifiers of EMV 4.4 Book 4, 11.2; what is not there has
// no number.
var numbers = map[payment.Message]byte{
	payment.ShowApproved: 0x03, // APPROVED
	payment.ShowDeclined: 0x07, // DECLINED
	payment.EnterPIN:     0x09, // ENTER PIN
	payment.InsertCard:   0x0B, // INSERT CARD
	payment.Processing:   0x0E, // PLEASE WAIT
	payment.Connecting:   0x0E, // PLEASE WAIT
	payment.RemoveCard:   0x10, // REMOVE CARD
}

// Number returns the number of the standard message that m stands for.
func Number(m payment.Message) (number byte, ok bool) {
	number, ok = numbers[m]
	return number, ok
}

// Lines returns the words of m in lines of at most columns, and its arguments after
// them: an amount as it is, a response code after ShowDeclined or ShowApproved as its
// own words, where they say more than the message.
func Lines(m payment.Message, l text.Lang, columns int, args ...string) []string {
	lines := text.Wrap(phrase(m, l), columns)
	for _, arg := range args {
		lines = append(lines, text.Wrap(argument(m, l, arg), columns)...)
	}
	return lines
}

// Line returns one line of at most columns: the fullest form that fits, down to the
// 16 characters of a standard message. A decline is told by its reason, or at the
// least by its code.
func Line(m payment.Message, l text.Lang, columns int, args ...string) string {
	long, short := phrase(m, l), text.Word(l, text.Key("short."+string(m)))
	tail := strings.Join(args, " ")
	forms := []string{long + " " + tail, long, short + " " + tail, short}
	if m == payment.ShowDeclined && len(args) > 0 {
		forms = []string{argument(m, l, args[0]), long + " " + tail, short + " " + tail, short}
	}
	for _, form := range forms {
		form = strings.TrimSpace(form)
		if form != "" && text.Columns(form) <= columns {
			return form
		}
	}
	return text.Cut(short, columns)
}

// phrase returns the words of the message itself. "code.T9" is response code T9.
func phrase(m payment.Message, l text.Lang) string {
	if code, ok := strings.CutPrefix(string(m), "code."); ok {
		return text.ForCode(l, code).Display
	}
	return text.Word(l, text.Key(m))
}

// argument returns what is shown for one argument of the message.
func argument(m payment.Message, l text.Lang, arg string) string {
	if m != payment.ShowDeclined && m != payment.ShowApproved {
		return arg
	}
	display := text.ForCode(l, arg).Display
	if arg == "" || display == phrase(m, l) {
		return ""
	}
	return display
}
