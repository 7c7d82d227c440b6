package simulate

import "posd/emv/payment"

// Bug is a fault planted in the terminal by wrapping its ports; the zero Bug is none.
type Bug struct {
	Name string
	// Host and Journal wrap the ports of a life; nil leaves them.
	Host    func(payment.Authorizer) payment.Authorizer
	Journal func(payment.Journal) payment.Journal
}

func (b Bug) plant(_ *life, host payment.Authorizer, journal payment.Journal) (payment.Authorizer, payment.Journal) {
	if b.Host != nil {
		host = b.Host(host)
	}
	if b.Journal != nil {
		journal = b.Journal(journal)
	}
	return host, journal
}
