package prompt

import (
	"slices"
	"testing"

	"posd/emv/payment"
	"posd/ui/text"
)

var messages = []payment.Message{
	payment.InsertCard, payment.RemoveCard, payment.EnterPIN, payment.Processing, payment.Connecting,
	payment.ShowApproved, payment.ShowDeclined, payment.Cancelled, payment.OwedFirst,
	payment.ReversalKept, payment.PrinterFailed,
}

func TestLines(t *testing.T) {
	for _, row := range []struct {
		name    string
		msg     payment.Message
		lang    text.Lang
		columns int
		args    []string
		want    []string
	}{
		{"insert, with the amount", payment.InsertCard, text.English, 20, []string{"12.00"}, []string{"Please insert card", "12.00"}},
		{"in Chinese", payment.InsertCard, text.Chinese, 20, []string{"12.00"}, []string{"请插卡", "12.00"}},
		{"too narrow", payment.Processing, text.English, 12, nil, []string{"Processing,", "please wait"}},
		{"declined, and why", payment.ShowDeclined, text.English, 20, []string{"51"}, []string{"Declined", "Insufficient funds"}},
		{"declined, and why, in Chinese", payment.ShowDeclined, text.Chinese, 16, []string{"51"}, []string{"交易失败", "可用余额不足"}},
		{"approved says it once", payment.ShowApproved, text.English, 20, []string{"00"}, []string{"Approved"}},
		{"approved with a remark", payment.ShowApproved, text.English, 20, []string{"08"}, []string{"Approved", "Approved: check", "identification"}},
		{"a code of the terminal", payment.OwedFirst, text.English, 30, nil, []string{"Earlier reversal pending"}},
	} {
		if got := Lines(row.msg, row.lang, row.columns, row.args...); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

func TestLine(t *testing.T) {
	for _, row := range []struct {
		name string
		msg  payment.Message
		lang text.Lang
		args []string
		want string
	}{
		{"too long with its amount", payment.InsertCard, text.English, []string{"12.00"}, "INSERT CARD"},
		{"fits with its amount", payment.EnterPIN, text.English, []string{"12.00"}, "Enter PIN 12.00"},
		{"the reason, where it fits", payment.ShowDeclined, text.English, []string{"55"}, "Wrong PIN"},
		{"else the code", payment.ShowDeclined, text.English, []string{"51"}, "Declined 51"},
		{"in Chinese the reason fits", payment.ShowDeclined, text.Chinese, []string{"51"}, "可用余额不足"},
		{"a code of the terminal", payment.OwedFirst, text.English, nil, "REVERSAL PENDING"},
	} {
		if got := Line(row.msg, row.lang, 16, row.args...); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

func TestEveryMessageHasWordsThatFit16Columns(t *testing.T) {
	for _, msg := range messages {
		if !text.Has(text.Key("short." + string(msg))) {
			t.Errorf("%s: no short form", msg)
		}
		for _, l := range text.Langs() {
			if got := phrase(msg, l); got == string(msg) || got == "" {
				t.Errorf("%s %v: no words", msg, l)
			}
			short := text.Word(l, text.Key("short."+string(msg)))
			if text.Columns(short) > 16 {
				t.Errorf("%s %v: short form %q is wider than 16", msg, l, short)
			}
		}
	}
}

func TestNumbersAreThoseOfBook4(t *testing.T) {
	if n, ok := Number(payment.EnterPIN); !ok || n != 0x09 {
		t.Errorf("ENTER PIN is %02X, %v", n, ok)
	}
	if _, ok := Number(payment.OwedFirst); ok {
		t.Error("a message that EMV does not have got a number")
	}
}

func FuzzLine(f *testing.F) {
	f.Add("ui.declined", 16, "51")
	f.Fuzz(func(t *testing.T, msg string, columns int, arg string) {
		if got := Line(payment.Message(msg), text.Chinese, columns, arg); text.Columns(got) > max(columns, 0) {
			t.Errorf("%q is wider than %d", got, columns)
		}
	})
}
