package iso8583

// value names what a message class keeps, apart from where a dialect writes it.
type value uint8

const (
	noValue value = iota
	vPAN
	vProcessing // from the transaction type
	vAmount
	vSTAN
	vTime
	vDate
	vExpiry
	vSettleDate
	vEntryMode
	vPANSequence
	vCondition // from the transaction type
	vPINCapture
	vAcquirerID
	vTrack2
	vRRN
	vAuthCode
	vCode
	vTerminal
	vMerchant
	vInstitutions
	vCurrency
	vPINBlock
	vSecurity
	vICC
	vPrivate
	vOriginal
	vData
	vText
	vOperator
	vMAC
)

// class is a message class: the shape that several message types share.
type class uint8

const (
	financialRequest class = iota + 1
	financialResponse
	reversalRequest
	reversalResponse
	networkRequest
	networkResponse
)

// newMessage returns an empty message of class c.
func newMessage(c class) Message {
	switch c {
	case financialRequest:
		return &FinancialRequest{PANSequence: -1}
	case financialResponse:
		return &FinancialResponse{PANSequence: -1}
	case reversalRequest:
		return &ReversalRequest{PANSequence: -1}
	case reversalResponse:
		return &ReversalResponse{}
	case networkRequest:
		return &NetworkRequest{}
	}
	return &NetworkResponse{}
}

// answers tells that the class is that of an answer: its message type is 10 hex above
// that of the request.
func (c class) answers() bool {
	return c == financialResponse || c == reversalResponse || c == networkResponse
}

// These are values that are more than one Go value, or need more than its type says:
// fields 35, 44, and 63 of a sign-on. Field 60 of management goes by its message.
type (
	track        struct{ m *FinancialRequest }
	institutions struct{ m *FinancialResponse }
	operator     struct{ number *string }
)

func (m *FinancialRequest) class() class  { return financialRequest }
func (m *FinancialResponse) class() class { return financialResponse }
func (m *ReversalRequest) class() class   { return reversalRequest }
func (m *ReversalResponse) class() class  { return reversalResponse }
func (m *NetworkRequest) class() class    { return networkRequest }
func (m *NetworkResponse) class() class   { return networkResponse }

// Key is what the answer is matched by.
func (m *FinancialRequest) Key() Key { return Key{m.Type.request(), m.STAN, m.Terminal} }

// Key is that of the request.
func (m *FinancialResponse) Key() Key { return Key{m.Type.request(), m.STAN, m.Terminal} }

// Key is what the answer is matched by.
func (m *ReversalRequest) Key() Key { return Key{0x0400, m.STAN, m.Terminal} }

// Key is that of the request.
func (m *ReversalResponse) Key() Key { return Key{0x0400, m.STAN, m.Terminal} }

// Key is what the answer is matched by.
func (m *NetworkRequest) Key() Key { return Key{m.Function.request(), m.STAN, m.Terminal} }

// Key is that of the request.
func (m *NetworkResponse) Key() Key { return Key{m.Function.request(), m.STAN, m.Terminal} }

func (m *FinancialRequest) place(v value) any {
	switch v {
	case vPAN:
		return &m.PAN
	case vAmount:
		return &m.Amount
	case vSTAN:
		return &m.STAN
	case vExpiry:
		return &m.Expiry
	case vEntryMode:
		return &m.EntryMode
	case vPANSequence:
		return &m.PANSequence
	case vPINCapture:
		return &m.PINCapture
	case vTrack2:
		return track{m}
	case vRRN:
		return &m.RRN
	case vAuthCode:
		return &m.AuthCode
	case vTerminal:
		return &m.Terminal
	case vMerchant:
		return &m.Merchant
	case vCurrency:
		return &m.Currency
	case vPINBlock:
		return &m.PINBlock
	case vSecurity:
		return &m.Security
	case vICC:
		return &m.ICC
	case vPrivate:
		return &m.Private
	case vOriginal:
		return &m.Original
	case vText:
		return &m.Scheme
	case vMAC:
		return &m.MAC
	}
	return nil
}

func (m *FinancialResponse) place(v value) any {
	switch v {
	case vPAN:
		return &m.PAN
	case vAmount:
		return &m.Amount
	case vSTAN:
		return &m.STAN
	case vTime:
		return &m.Time
	case vDate:
		return &m.Date
	case vExpiry:
		return &m.Expiry
	case vSettleDate:
		return &m.SettleDate
	case vPANSequence:
		return &m.PANSequence
	case vAcquirerID:
		return &m.AcquirerID
	case vRRN:
		return &m.RRN
	case vAuthCode:
		return &m.AuthCode
	case vCode:
		return &m.Code
	case vTerminal:
		return &m.Terminal
	case vMerchant:
		return &m.Merchant
	case vInstitutions:
		return institutions{m}
	case vCurrency:
		return &m.Currency
	case vSecurity:
		return &m.Security
	case vICC:
		return &m.ICC
	case vPrivate:
		return &m.Private
	case vText:
		return &m.Text
	case vMAC:
		return &m.MAC
	}
	return nil
}

func (m *ReversalRequest) place(v value) any {
	switch v {
	case vPAN:
		return &m.PAN
	case vAmount:
		return &m.Amount
	case vSTAN:
		return &m.STAN
	case vExpiry:
		return &m.Expiry
	case vEntryMode:
		return &m.EntryMode
	case vPANSequence:
		return &m.PANSequence
	case vAuthCode:
		return &m.AuthCode
	case vCode:
		return &m.Code
	case vTerminal:
		return &m.Terminal
	case vMerchant:
		return &m.Merchant
	case vCurrency:
		return &m.Currency
	case vICC:
		return &m.ICC
	case vPrivate:
		return &m.Private
	case vOriginal:
		return &m.Original
	case vMAC:
		return &m.MAC
	}
	return nil
}

func (m *ReversalResponse) place(v value) any {
	switch v {
	case vPAN:
		return &m.PAN
	case vAmount:
		return &m.Amount
	case vSTAN:
		return &m.STAN
	case vTime:
		return &m.Time
	case vDate:
		return &m.Date
	case vSettleDate:
		return &m.SettleDate
	case vAcquirerID:
		return &m.AcquirerID
	case vRRN:
		return &m.RRN
	case vCode:
		return &m.Code
	case vTerminal:
		return &m.Terminal
	case vMerchant:
		return &m.Merchant
	case vCurrency:
		return &m.Currency
	case vICC:
		return &m.ICC
	case vPrivate:
		return &m.Private
	case vMAC:
		return &m.MAC
	}
	return nil
}

func (m *NetworkRequest) place(v value) any {
	switch v {
	case vSTAN:
		return &m.STAN
	case vTerminal:
		return &m.Terminal
	case vMerchant:
		return &m.Merchant
	case vPrivate:
		return m
	case vData:
		return &m.Data
	case vOperator:
		return operator{&m.Operator}
	case vMAC:
		return &m.MAC
	}
	return nil
}

func (m *NetworkResponse) place(v value) any {
	switch v {
	case vSTAN:
		return &m.STAN
	case vTime:
		return &m.Time
	case vDate:
		return &m.Date
	case vAcquirerID:
		return &m.AcquirerID
	case vRRN:
		return &m.RRN
	case vCode:
		return &m.Code
	case vTerminal:
		return &m.Terminal
	case vMerchant:
		return &m.Merchant
	case vPrivate:
		return m
	case vData:
		return &m.Data
	case vMAC:
		return &m.MAC
	}
	return nil
}

// kind returns where the message keeps its transaction type; nil in management.
func kind(m Message) *TransactionType {
	switch m := m.(type) {
	case *FinancialRequest:
		return &m.Type
	case *FinancialResponse:
		return &m.Type
	case *ReversalRequest:
		return &m.Type
	case *ReversalResponse:
		return &m.Type
	}
	return nil
}

// function returns where the message keeps its function; nil where it has none.
func function(m Message) *Function {
	switch m := m.(type) {
	case *NetworkRequest:
		return &m.Function
	case *NetworkResponse:
		return &m.Function
	}
	return nil
}
