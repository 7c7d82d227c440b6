package payment

import "fmt"

// Kind is the kind of a payment. It is persisted by its number: numbers are never
// reused.
type Kind uint8

const (
	Sale             Kind = 1  // 消费
	Void             Kind = 2  // 消费撤销, of a sale of the same batch
	Refund           Kind = 3  // 退货, of a sale of any batch
	Preauth          Kind = 4  // 预授权
	PreauthVoid      Kind = 5  // 预授权撤销
	Completion       Kind = 6  // 预授权完成(请求)
	CompletionAdvice Kind = 7  // 预授权完成(通知)
	CompletionVoid   Kind = 8  // 预授权完成撤销
	Balance          Kind = 9  // 余额查询
	OfflineSale      Kind = 10 // 离线结算: authorised by telephone
	OfflineAdjust    Kind = 11 // 结算调整, of an offline sale
	TipAdjust        Kind = 12 // 结算调整(小费), of a sale
	OfflineChip      Kind = 13 // 脱机消费: the card approved, the host was not asked
)

// Recovery is what becomes of a payment whose request may have reached the host and
// whose answer is not known.
type Recovery uint8

const (
	// Reverse: it is owed a reversal (0400).
	Reverse Recovery = iota + 1
	// Repeat: it is sent again, word for word, until the host answers: it is a notice
	// (0220), which no reversal exists for.
	Repeat
	// Forget: no money moves by it.
	Forget
)

// Reference is what a payment must know of the payment that it is about.
type Reference uint8

const (
	// NoOriginal: it is about none.
	NoOriginal Reference = iota
	// InBatch: the original is a completed payment of the current batch of this journal.
	InBatch
	// Typed: the original may be of any terminal and any day; what is known of it is
	// taken from the journal or the archive, or typed from its receipt.
	Typed
)

// CardUse is what a payment needs of the card.
type CardUse uint8

const (
	// FullEMV: the card takes part to the end, with cryptograms.
	FullEMV CardUse = iota + 1
	// ReadCard: the card only says who it is: application selection and reading of its
	// records, no cryptogram for the host.
	ReadCard
	// NoCard: the card number comes from the original in the journal.
	NoCard
)

// Role is who may order a payment.
type Role uint8

const (
	Cashier    Role = iota + 1 // operators 01 to 98
	Supervisor                 // operator 00
)

// Side is the side of the settlement's totals on which a payment counts.
type Side int8

const (
	Credit  Side = -1 // the merchant gave money back
	Neither Side = 0
	Debit   Side = 1 // the merchant gets money
)

// Mark is a part of the name that a receipt gives a payment; marks are added up.
type Mark uint8

const (
	MarkRRN      Mark = 1 << iota // field 37, 12 characters
	MarkAuthCode                  // field 38, 6 characters
	MarkDate                      // MMDD
)

// Bound is how the amount of a payment depends on its original's.
type Bound uint8

const (
	AnyAmount    Bound = iota
	NoAmount           // it has none
	WholeAmount        // the same
	UpToOriginal       // the same or less, all of its kind together
	UpToHold           // up to Policy.CompletionPercent of it: a completion may be more than was held
	WithTip            // more, by Policy.TipPercent at most
)

// Rules is what holds for a kind of payment: a row of the table below.
type Rules struct {
	Name       string // key in the words table, and the row of the message set
	Type       byte   // tag 9C, the first two digits of field 3
	Unanswered Recovery
	// Forward: it is approved at the till and goes up later, in order (store and forward).
	Forward  bool
	Original Reference
	// Of lists the kinds that its original may have; empty where it has none.
	Of []Kind
	// Wants is what must be known of an original that may be of any day; of a payment
	// without one, what was said on the telephone.
	Wants Mark
	Bound Bound
	// Undoes: its original counts for nothing afterwards.
	Undoes bool
	// Offline is the kind that it becomes where card and terminal approve it without the
	// host; zero for never.
	Offline Kind
	Card    CardUse
	Side    Side
	// Adjusts: it replaces the amount of its original; the totals count the difference.
	Adjusts bool
	Role    Role
}

var kinds = map[Kind]Rules{
	Sale:    {Name: "sale", Unanswered: Reverse, Offline: OfflineChip, Card: FullEMV, Side: Debit, Role: Cashier},
	Preauth: {Name: "preauth", Type: 0x03, Unanswered: Reverse, Card: FullEMV, Role: Cashier},
	Balance: {Name: "balance", Type: 0x31, Unanswered: Forget, Bound: NoAmount, Card: FullEMV, Role: Cashier},

	Void: {
		Name: "void", Type: 0x20, Unanswered: Reverse, Original: InBatch, Of: []Kind{Sale},
		Bound: WholeAmount, Undoes: true, Card: NoCard, Side: Credit, Role: Supervisor,
	},
	Refund: {
		Name: "refund", Type: 0x20, Unanswered: Repeat, Original: Typed, Of: []Kind{Sale, Completion, CompletionAdvice, OfflineSale, OfflineChip},
		Wants: MarkRRN | MarkDate, Bound: UpToOriginal, Card: ReadCard, Side: Credit, Role: Supervisor,
	},
	PreauthVoid: {
		Name: "preauth_void", Type: 0x20, Unanswered: Reverse, Original: Typed, Of: []Kind{Preauth},
		Wants: MarkAuthCode | MarkDate, Bound: WholeAmount, Undoes: true, Card: ReadCard, Role: Supervisor,
	},
	Completion: {
		Name: "preauth_comp", Unanswered: Reverse, Original: Typed, Of: []Kind{Preauth},
		Wants: MarkAuthCode | MarkDate, Bound: UpToHold, Card: ReadCard, Side: Debit, Role: Cashier,
	},
	CompletionAdvice: {
		Name: "preauth_adv", Unanswered: Repeat, Forward: true, Original: Typed, Of: []Kind{Preauth},
		Wants: MarkAuthCode | MarkDate, Bound: UpToHold, Card: ReadCard, Side: Debit, Role: Cashier,
	},
	CompletionVoid: {
		Name: "preauth_comp_void", Type: 0x20, Unanswered: Reverse, Original: InBatch, Of: []Kind{Completion},
		Bound: WholeAmount, Undoes: true, Card: NoCard, Side: Credit, Role: Supervisor,
	},

	OfflineSale: {
		Name: "offline_sale", Unanswered: Repeat, Forward: true,
		Wants: MarkAuthCode, Card: ReadCard, Side: Debit, Role: Supervisor,
	},
	OfflineAdjust: {
		Name: "offline_adjust", Unanswered: Repeat, Forward: true, Original: InBatch, Of: []Kind{OfflineSale},
		Card: NoCard, Side: Debit, Adjusts: true, Role: Supervisor,
	},
	TipAdjust: {
		Name: "tip_adjust", Unanswered: Repeat, Forward: true, Original: InBatch, Of: []Kind{Sale, OfflineSale},
		Bound: WithTip, Card: NoCard, Side: Debit, Adjusts: true, Role: Cashier,
	},
	OfflineChip: {Name: "ec_offline_upload", Unanswered: Repeat, Forward: true, Card: FullEMV, Side: Debit, Role: Cashier},
}

// Kinds lists every kind, in the order of their numbers.
func Kinds() []Kind {
	out := make([]Kind, 0, len(kinds))
	for k := Sale; k <= OfflineChip; k++ {
		out = append(out, k)
	}
	return out
}

// Valid tells whether the number is a kind at all.
func (k Kind) Valid() bool {
	_, ok := kinds[k]
	return ok
}

// Rules returns what holds for the kind; the zero Rules for a number that is none.
func (k Kind) Rules() Rules { return kinds[k] }

// CanBecome tells whether a payment that began as k may be stored as to: only a sale
// changes, as it moves from [Requested] to [Stored], where the host was not reached and
// the card approved.
func (k Kind) CanBecome(to Kind) bool { return k == to || to != 0 && kinds[k].Offline == to }

// String returns the key of the kind in the words table, "sale".
func (k Kind) String() string {
	if r, ok := kinds[k]; ok {
		return r.Name
	}
	return fmt.Sprintf("kind %d", uint8(k))
}
