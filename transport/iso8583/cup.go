package iso8583

// CUP returns the dialect `cup`: the message set of UnionPay POS terminals.
func CUP() *Dialect {
	return newDialect("cup", cupElements(), cupLayouts(), cupTransactions(), cupOperations())
}

func cupElements() []element {
	return []element{
		{2, "PAN", digits, 19, 2, false, vPAN},
		{3, "processing code", digits, 6, 0, false, vProcessing},
		{4, "amount", digits, 12, 0, false, vAmount},
		{11, "STAN", digits, 6, 0, false, vSTAN},
		{12, "local time", digits, 6, 0, false, vTime},
		{13, "local date", digits, 4, 0, false, vDate},
		{14, "expiry", digits, 4, 0, false, vExpiry},
		{15, "settlement date", digits, 4, 0, false, vSettleDate},
		{22, "entry mode", digits, 3, 0, false, vEntryMode},
		{23, "PAN sequence number", digits, 3, 0, true, vPANSequence},
		{25, "condition code", digits, 2, 0, false, vCondition},
		{26, "PIN capture code", digits, 2, 0, false, vPINCapture},
		{32, "acquirer", digits, 11, 2, false, vAcquirerID},
		{35, "track 2", nibbles, 37, 2, false, vTrack2},
		{37, "retrieval reference number", text, 12, 0, false, vRRN},
		{38, "authorisation code", text, 6, 0, false, vAuthCode},
		{39, "response code", text, 2, 0, false, vCode},
		{41, "terminal", text, 8, 0, false, vTerminal},
		{42, "merchant", text, 15, 0, false, vMerchant},
		{44, "institutions", text, 22, 2, false, vInstitutions},
		{48, "additional", digits, 322, 3, false, vAdditional},
		{49, "currency", text, 3, 0, false, vCurrency},
		{52, "PIN block", binary8, 8, 0, false, vPINBlock},
		{53, "security control", digits, 16, 0, false, vSecurity},
		{54, "balance", text, 20, 3, false, vBalance},
		{55, "ICC data", binary8, 255, 3, false, vICC},
		{59, "device", text, 255, 3, false, vDevice},
		{60, "private 60", digits, 17, 3, false, vPrivate},
		{61, "original", digits, 29, 3, false, vOriginal},
		{62, "private 62", binary8, 512, 3, false, vData},
		{63, "private 63", gbk, 63, 3, false, vText},
		{64, "MAC", binary8, 8, 0, false, vMAC},
	}
}

// cupLayouts says which fields a message must have, and which it may have.
func cupLayouts() []layout {
	return []layout{
		{
			financialRequest,
			[]uint16{0x0200, 0x0100, 0x0220},
			0,
			[]int{3, 11, 22, 25, 41, 42, 49, 60},
			[]int{2, 4, 14, 23, 26, 35, 37, 38, 48, 52, 53, 55, 59, 61, 62, 63, 64},
		},
		{
			financialResponse,
			[]uint16{0x0200, 0x0100, 0x0220},
			0,
			[]int{3, 11, 25, 39, 41, 42, 60},
			[]int{2, 4, 12, 13, 14, 15, 23, 32, 37, 38, 44, 49, 53, 54, 55, 63, 64},
		},
		{
			reversalRequest,
			[]uint16{0x0400},
			0,
			[]int{3, 4, 11, 22, 25, 39, 41, 42, 49, 60},
			[]int{2, 14, 23, 38, 55, 59, 61, 64},
		},
		{
			reversalResponse,
			[]uint16{0x0400},
			0,
			[]int{3, 11, 25, 39, 41, 42, 60},
			[]int{2, 4, 12, 13, 15, 32, 37, 49, 55, 64},
		},
		{
			settlementRequest,
			[]uint16{0x0500},
			Settle,
			[]int{11, 41, 42, 48, 49, 60},
			[]int{63, 64},
		},
		{
			settlementResponse,
			[]uint16{0x0500},
			Settle,
			[]int{11, 39, 41, 42, 60},
			[]int{12, 13, 15, 32, 37, 48, 49, 64},
		},
		// What an upload must have besides depends on its function: see group.
		{
			uploadRequest,
			[]uint16{0x0320},
			0,
			[]int{11, 41, 42, 60},
			[]int{2, 3, 4, 14, 22, 23, 25, 37, 38, 48, 49, 55, 59, 61, 62, 63, 64},
		},
		{
			uploadResponse,
			[]uint16{0x0320},
			0,
			[]int{11, 39, 41, 42, 60},
			[]int{2, 3, 4, 12, 13, 15, 25, 32, 37, 38, 48, 49, 64},
		},
		{
			scriptRequest,
			[]uint16{0x0620},
			Script,
			[]int{3, 11, 25, 41, 42, 49, 55, 60, 61},
			[]int{2, 4, 14, 22, 23, 32, 37, 38, 59, 64},
		},
		{
			scriptResponse,
			[]uint16{0x0620},
			Script,
			[]int{3, 11, 25, 39, 41, 42, 60},
			[]int{2, 4, 12, 13, 15, 32, 37, 49, 64},
		},
		{
			networkRequest,
			[]uint16{0x0800, 0x0820},
			0,
			[]int{11, 41, 42, 60},
			[]int{62, 63, 64},
		},
		// Field 11 is left out by some hosts in the answer to a list query.
		{
			networkResponse,
			[]uint16{0x0800, 0x0820},
			0,
			[]int{39, 41, 42, 60},
			[]int{11, 12, 13, 32, 37, 62, 64},
		},
	}
}

func cupTransactions() []transaction {
	return []transaction{
		{Sale, 0x0200, 0, 0, 22},
		{Void, 0x0200, 200000, 0, 23},
		{Refund, 0x0220, 200000, 0, 25},
		{Preauth, 0x0100, 30000, 6, 10},
		{PreauthAdd, 0x0100, 30000, 60, 10},
		{PreauthVoid, 0x0100, 200000, 6, 11},
		{PreauthCompletion, 0x0200, 0, 6, 20},
		{PreauthAdvice, 0x0220, 0, 6, 24},
		{PreauthCompletionVoid, 0x0200, 200000, 6, 21},
		{Balance, 0x0200, 310000, 0, 1},
		{OfflineSale, 0x0220, 0, 0, 30},
		{OfflineAdjust, 0x0220, 0, 0, 32},
		{TipAdjust, 0x0220, 0, 0, 34},
		{OfflineChip, 0x0200, 0, 0, 36},
		{OfflineRefund, 0x0220, 200000, 0, 27},
		{LoadCash, 0x0200, 630000, 91, 46},
		{LoadAccount, 0x0200, 600000, 91, 45},
		{LoadOther, 0x0200, 620000, 91, 47},
		{LoadVoid, 0x0200, 170000, 91, 51},
		{Instalment, 0x0200, 0, 64, 22},
		{MOTO, 0x0200, 0, 8, 22},
		{QR, 0x0200, 190000, 91, 22},
	}
}

// 373 stands for two different messages: it is not here.
func cupOperations() []operation {
	return []operation{
		{SignOnSingle, 0x0800},
		{SignOnDouble, 0x0800},
		{SignOnTrackKey, 0x0800},
		{SignOnSM4, 0x0800},
		{SignOnAES, 0x0800},
		{KeyRequest, 0x0800},
		{KeyDownload, 0x0800},
		{SignOff, 0x0820},
		{Echo, 0x0820},
		{Parameters, 0x0800},
		{Status, 0x0820},
		{CAKeyList, 0x0820},
		{CAKeys, 0x0800},
		{CAKeysEnd, 0x0800},
		{AIDList, 0x0820},
		{AIDs, 0x0800},
		{AIDsEnd, 0x0800},
		{Blacklist, 0x0800},
		{BlacklistEnd, 0x0800},
		{QPS, 0x0800},
		{QPSEnd, 0x0800},
		{BINTableB, 0x0800},
		{BINTableBEnd, 0x0800},
		{BINTableC, 0x0800},
		{BINTableCEnd, 0x0800},
		{UploadGroup, 0x0320},
		{EndUnbalanced, 0x0320},
		{TCBalanced, 0x0320},
		{FailedBalanced, 0x0320},
		{TCUnbalanced, 0x0320},
		{FailedUnbalanced, 0x0320},
		{EndBalanced, 0x0320},
	}
}
