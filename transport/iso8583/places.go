package iso8583

func (m *FinancialRequest) places() places {
	return places{
		vType: &m.Type, vPAN: &m.PAN, vAmount: &m.Amount, vSTAN: &m.STAN, vExpiry: &m.Expiry,
		vEntryMode: &m.EntryMode, vPANSequence: &m.PANSequence, vPINCapture: &m.PINCapture, vTrack2: track{m},
		vRRN: &m.RRN, vAuthCode: &m.AuthCode, vTerminal: &m.Terminal, vMerchant: &m.Merchant,
		vAdditional: (*tip)(&m.Tip), vCurrency: &m.Currency, vPINBlock: (*shortPIN)(&m.PINBlock),
		vData: (*longPIN)(&m.PINBlock), vSecurity: &m.Security, vICC: &m.ICC, vDevice: &m.Device,
		vPrivate: &m.Private, vOriginal: &m.Original, vText: &m.Scheme, vMAC: &m.MAC,
	}
}

func (m *FinancialResponse) places() places {
	return places{
		vType: &m.Type, vPAN: &m.PAN, vAmount: &m.Amount, vSTAN: &m.STAN, vTime: &m.Time, vDate: &m.Date,
		vExpiry: &m.Expiry, vSettleDate: &m.SettleDate, vPANSequence: &m.PANSequence, vAcquirerID: &m.AcquirerID,
		vRRN: &m.RRN, vAuthCode: &m.AuthCode, vCode: &m.Code, vTerminal: &m.Terminal, vMerchant: &m.Merchant,
		vInstitutions: institutions{m}, vCurrency: &m.Currency, vSecurity: &m.Security, vBalance: &m.Balance,
		vICC: &m.ICC, vPrivate: &m.Private, vText: &m.Text, vMAC: &m.MAC,
	}
}

func (m *ReversalRequest) places() places {
	return places{
		vType: &m.Type, vPAN: &m.PAN, vAmount: &m.Amount, vSTAN: &m.STAN, vExpiry: &m.Expiry,
		vEntryMode: &m.EntryMode, vPANSequence: &m.PANSequence, vAuthCode: &m.AuthCode, vCode: &m.Code,
		vTerminal: &m.Terminal, vMerchant: &m.Merchant, vCurrency: &m.Currency, vICC: &m.ICC, vDevice: &m.Device,
		vPrivate: &m.Private, vOriginal: &m.Original, vMAC: &m.MAC,
	}
}

func (m *ReversalResponse) places() places {
	return places{
		vType: &m.Type, vPAN: &m.PAN, vAmount: &m.Amount, vSTAN: &m.STAN, vTime: &m.Time, vDate: &m.Date,
		vSettleDate: &m.SettleDate, vAcquirerID: &m.AcquirerID, vRRN: &m.RRN, vCode: &m.Code,
		vTerminal: &m.Terminal, vMerchant: &m.Merchant, vCurrency: &m.Currency, vICC: &m.ICC,
		vPrivate: &m.Private, vMAC: &m.MAC,
	}
}

func (m *SettlementRequest) places() places {
	return places{
		vSTAN: &m.STAN, vTerminal: &m.Terminal, vMerchant: &m.Merchant, vAdditional: totals{&m.Domestic, &m.Foreign},
		vCurrency: &m.Currency, vPrivate: (*batchOnly)(&m.Batch), vText: (*operator)(&m.Operator), vMAC: &m.MAC,
	}
}

func (m *SettlementResponse) places() places {
	return places{
		vSTAN: &m.STAN, vTime: &m.Time, vDate: &m.Date, vSettleDate: &m.SettleDate, vAcquirerID: &m.AcquirerID,
		vRRN: &m.RRN, vCode: &m.Code, vTerminal: &m.Terminal, vMerchant: &m.Merchant,
		vAdditional: totals{&m.Domestic, &m.Foreign}, vCurrency: &m.Currency, vPrivate: (*batchOnly)(&m.Batch), vMAC: &m.MAC,
	}
}

func (m *UploadRequest) places() places {
	return places{
		vType: &m.Type, vFunction: &m.Function, vPAN: &m.PAN, vAmount: &m.Amount, vSTAN: &m.STAN, vExpiry: &m.Expiry,
		vEntryMode: &m.EntryMode, vPANSequence: &m.PANSequence, vRRN: &m.RRN, vAuthCode: &m.AuthCode,
		vTerminal: &m.Terminal, vMerchant: &m.Merchant, vAdditional: group{&m.Function, &m.Group, &m.Count, false},
		vCurrency: &m.Currency, vICC: &m.ICC, vDevice: &m.Device, vPrivate: &m.Private, vOriginal: &m.Original,
		vData: &m.Facts, vText: &m.Scheme, vMAC: &m.MAC,
	}
}

func (m *UploadResponse) places() places {
	return places{
		vType: &m.Type, vFunction: &m.Function, vPAN: &m.PAN, vAmount: &m.Amount, vSTAN: &m.STAN,
		vTime: &m.Time, vDate: &m.Date, vSettleDate: &m.SettleDate, vAcquirerID: &m.AcquirerID, vRRN: &m.RRN,
		vAuthCode: &m.AuthCode, vCode: &m.Code, vTerminal: &m.Terminal, vMerchant: &m.Merchant,
		vAdditional: group{&m.Function, &m.Group, &m.Count, true}, vCurrency: &m.Currency, vPrivate: &m.Private, vMAC: &m.MAC,
	}
}

func (m *ScriptRequest) places() places {
	return places{
		vType: &m.Type, vPAN: &m.PAN, vAmount: &m.Amount, vSTAN: &m.STAN, vExpiry: &m.Expiry,
		vEntryMode: &m.EntryMode, vPANSequence: &m.PANSequence, vAcquirerID: &m.AcquirerID, vRRN: &m.RRN,
		vAuthCode: &m.AuthCode, vTerminal: &m.Terminal, vMerchant: &m.Merchant, vCurrency: &m.Currency,
		vICC: &m.ICC, vDevice: &m.Device, vPrivate: &m.Private, vOriginal: &m.Original, vMAC: &m.MAC,
	}
}

func (m *ScriptResponse) places() places {
	return places{
		vType: &m.Type, vPAN: &m.PAN, vAmount: &m.Amount, vSTAN: &m.STAN, vTime: &m.Time, vDate: &m.Date,
		vSettleDate: &m.SettleDate, vAcquirerID: &m.AcquirerID, vRRN: &m.RRN, vCode: &m.Code,
		vTerminal: &m.Terminal, vMerchant: &m.Merchant, vCurrency: &m.Currency, vPrivate: &m.Private, vMAC: &m.MAC,
	}
}

func (m *NetworkRequest) places() places {
	return places{
		vFunction: &m.Function, vSTAN: &m.STAN, vTerminal: &m.Terminal, vMerchant: &m.Merchant,
		vPrivate: (*batchOnly)(&m.Batch), vData: &m.Data, vText: (*operator)(&m.Operator), vMAC: &m.MAC,
	}
}

func (m *NetworkResponse) places() places {
	return places{
		vFunction: &m.Function, vSTAN: &m.STAN, vTime: &m.Time, vDate: &m.Date, vAcquirerID: &m.AcquirerID,
		vRRN: &m.RRN, vCode: &m.Code, vTerminal: &m.Terminal, vMerchant: &m.Merchant,
		vPrivate: (*batchOnly)(&m.Batch), vData: &m.Data, vMAC: &m.MAC,
	}
}
