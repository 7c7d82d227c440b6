package control

// Finding is one thing that is wrong or worth knowing, from the catalogue.
type Finding struct {
	Code     string `json:"code"`     // from the catalogue, for example "link-down"
	Severity string `json:"severity"` // error, warning, note
	Detail   string `json:"detail"`   // the case at hand, without secrets
}
