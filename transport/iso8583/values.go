package iso8583

// value names what a message class keeps, apart from where a dialect writes it.
type value uint8

const (
	noValue     value = iota
	vType             // the transaction type: no field of its own
	vFunction         // the function: no field of its own
	vProcessing       // from the transaction type
	vCondition        // from the transaction type
	vPAN
	vAmount
	vSTAN
	vTime
	vDate
	vExpiry
	vSettleDate
	vEntryMode
	vPANSequence
	vPINCapture
	vAcquirerID
	vTrack2
	vRRN
	vAuthCode
	vCode
	vTerminal
	vMerchant
	vInstitutions
	vAdditional
	vCurrency
	vPINBlock
	vSecurity
	vBalance
	vICC
	vDevice
	vPrivate
	vOriginal
	vData
	vText
	vMAC
	valueCount
)

// places points to where a message keeps its values: nil for one that its class has not.
type places [valueCount]any

// class is a message class: the shape that several message types share. Requests have odd
// numbers, and the answer's number is the next one.
type class uint8

const (
	financialRequest class = iota + 1
	financialResponse
	reversalRequest
	reversalResponse
	settlementRequest
	settlementResponse
	uploadRequest
	uploadResponse
	scriptRequest
	scriptResponse
	networkRequest
	networkResponse
)

// answers tells that the class is that of an answer: its message type is 10 hex above
// that of the request.
func (c class) answers() bool { return c%2 == 0 }

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
	case settlementRequest:
		return &SettlementRequest{}
	case settlementResponse:
		return &SettlementResponse{}
	case uploadRequest:
		return &UploadRequest{PANSequence: -1}
	case uploadResponse:
		return &UploadResponse{}
	case scriptRequest:
		return &ScriptRequest{PANSequence: -1}
	case scriptResponse:
		return &ScriptResponse{}
	case networkRequest:
		return &NetworkRequest{}
	}
	return &NetworkResponse{}
}

func (m *FinancialRequest) class() class   { return financialRequest }
func (m *FinancialResponse) class() class  { return financialResponse }
func (m *ReversalRequest) class() class    { return reversalRequest }
func (m *ReversalResponse) class() class   { return reversalResponse }
func (m *SettlementRequest) class() class  { return settlementRequest }
func (m *SettlementResponse) class() class { return settlementResponse }
func (m *UploadRequest) class() class      { return uploadRequest }
func (m *UploadResponse) class() class     { return uploadResponse }
func (m *ScriptRequest) class() class      { return scriptRequest }
func (m *ScriptResponse) class() class     { return scriptResponse }
func (m *NetworkRequest) class() class     { return networkRequest }
func (m *NetworkResponse) class() class    { return networkResponse }

// Key is what the answer is matched by.
func (m *FinancialRequest) Key() Key { return Key{m.Type.request(), m.STAN, m.Terminal} }

// Key is that of the request.
func (m *FinancialResponse) Key() Key { return Key{m.Type.request(), m.STAN, m.Terminal} }

// Key is what the answer is matched by.
func (m *ReversalRequest) Key() Key { return Key{0x0400, m.STAN, m.Terminal} }

// Key is that of the request.
func (m *ReversalResponse) Key() Key { return Key{0x0400, m.STAN, m.Terminal} }

// Key is what the answer is matched by.
func (m *SettlementRequest) Key() Key { return Key{0x0500, m.STAN, m.Terminal} }

// Key is that of the request.
func (m *SettlementResponse) Key() Key { return Key{0x0500, m.STAN, m.Terminal} }

// Key is what the answer is matched by.
func (m *UploadRequest) Key() Key { return Key{0x0320, m.STAN, m.Terminal} }

// Key is that of the request.
func (m *UploadResponse) Key() Key { return Key{0x0320, m.STAN, m.Terminal} }

// Key is what the answer is matched by.
func (m *ScriptRequest) Key() Key { return Key{0x0620, m.STAN, m.Terminal} }

// Key is that of the request.
func (m *ScriptResponse) Key() Key { return Key{0x0620, m.STAN, m.Terminal} }

// Key is what the answer is matched by.
func (m *NetworkRequest) Key() Key { return Key{m.Function.request(), m.STAN, m.Terminal} }

// Key is that of the request.
func (m *NetworkResponse) Key() Key { return Key{m.Function.request(), m.STAN, m.Terminal} }

// These are values that need more than the type of the Go value says. Each is one
// pointer, or becomes one by conversion, so that packing a payment allocates nothing.
type (
	track        struct{ m *FinancialRequest }
	institutions struct{ m *FinancialResponse }
	tip          int64  // field 48 of a tip adjustment
	shortPIN     []byte // field 52: a PIN block of 8 bytes
	longPIN      []byte // field 62 of a payment: a PIN block of 16
	operator     string // field 63 of management: a blank follows
	batchOnly    uint32 // field 60 that ends after 60.3
	totals       struct{ domestic, foreign *Totals }
	group        struct {
		function *Function
		details  *[]Detail
		count    *int
		answer   bool
	}
)
