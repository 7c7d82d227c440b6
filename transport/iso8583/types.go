package iso8583

import "fmt"

// TransactionType names a transaction: a row of the dialect's table, which gives its
// message type and fields 3, 25 and 60.1.
type TransactionType uint8

const (
	Sale                  TransactionType = iota + 1 // 消费
	Void                                             // 消费撤销
	Refund                                           // 退货
	Preauth                                          // 预授权
	PreauthAdd                                       // 追加预授权
	PreauthVoid                                      // 预授权撤销
	PreauthCompletion                                // 预授权完成(请求)
	PreauthAdvice                                    // 预授权完成(通知)
	PreauthCompletionVoid                            // 预授权完成撤销
	Balance                                          // 余额查询
	OfflineSale                                      // 离线结算
	OfflineAdjust                                    // 结算调整
	TipAdjust                                        // 结算调整(小费)
	OfflineChip                                      // 脱机消费上送
	OfflineRefund                                    // 脱机退货
	LoadCash                                         // 现金充值
	LoadAccount                                      // 指定账户圈存
	LoadOther                                        // 非指定账户圈存
	LoadVoid                                         // 现金充值撤销
	Instalment                                       // 分期付款消费
	MOTO                                             // 订购消费
	QR                                               // 二维码被扫

	typeCount = int(QR) + 1
)

// typeNames are the row names of the public table of messages.
var typeNames = [typeCount]string{
	"none", "sale", "void", "refund", "preauth", "preauth_add", "preauth_void", "preauth_comp",
	"preauth_adv", "preauth_comp_void", "balance", "offline_sale", "offline_adjust", "tip_adjust",
	"ec_offline_upload", "offline_refund", "ec_load_cash", "ec_load_acct", "ec_load_other",
	"ec_load_void", "instalment", "moto_sale", "qr_pay",
}

// String returns the name of the type: "sale".
func (t TransactionType) String() string {
	if int(t) < typeCount {
		return typeNames[t]
	}
	return fmt.Sprintf("transaction type %d", uint8(t))
}

// request returns the message type of the UnionPay message set, for [Key].
func (t TransactionType) request() uint16 {
	switch t {
	case Preauth, PreauthAdd, PreauthVoid:
		return 0x0100
	case Refund, PreauthAdvice, OfflineSale, OfflineAdjust, TipAdjust, OfflineRefund:
		return 0x0220
	}
	return 0x0200
}

// Function is field 60.3 of a message that is no payment.
type Function uint16

const (
	SignOnSingle   Function = 1   // 签到, single-length keys
	SignOff        Function = 2   // 签退
	SignOnDouble   Function = 3   // 签到, double-length keys
	SignOnTrackKey Function = 4   // 签到, double-length keys with track key
	SignOnSM4      Function = 6   // 国密签到
	SignOnAES      Function = 7   // ours: AES keys, see AppendSignOnKeys
	KeyRequest     Function = 101 // 主密钥下载预申请, private to an acquirer
	KeyDownload    Function = 102 // 主密钥下载, private to an acquirer
	Echo           Function = 301 // 回响测试
	Parameters     Function = 360 // 参数传递
	Status         Function = 362 // 终端状态上送
	CAKeys         Function = 370 // IC卡公钥下载
	CAKeysEnd      Function = 371 // 公钥下载结束
	CAKeyList      Function = 372 // IC卡公钥查询
	AIDs           Function = 380 // IC卡参数下载
	AIDsEnd        Function = 381 // IC卡参数下载结束
	AIDList        Function = 382 // IC卡参数查询
	Blacklist      Function = 390 // 黑名单下载
	BlacklistEnd   Function = 391 // 黑名单下载结束
	QPS            Function = 394 // 非接业务参数下载
	QPSEnd         Function = 395 // 非接业务参数下载结束
	BINTableB      Function = 396 // 免密新增卡BIN(表B)下载
	BINTableBEnd   Function = 397 // 免密新增卡BIN下载结束
	BINTableC      Function = 398 // 免密卡BIN黑名单(表C)下载
	BINTableCEnd   Function = 399 // 免密卡BIN黑名单下载结束
)

// Functions of settlement (0500), upload (0320) and script notice (0620). 201 stands for
// two messages: field 60.3 alone does not name one.
const (
	Settle           Function = 201 // 批结算
	UploadGroup      Function = 201 // 批上送: payments that were made online
	EndUnbalanced    Function = 202 // 批上送结束(不平)
	TCBalanced       Function = 203 // IC卡TC上送(对账平)
	FailedBalanced   Function = 204 // IC卡失败交易上送(平): ARPC wrong, yet approved by the card
	TCUnbalanced     Function = 205 // IC卡TC上送(对账不平)
	FailedUnbalanced Function = 206 // IC卡失败交易上送(不平)
	EndBalanced      Function = 207 // 批上送结束(平)
	Script           Function = 951 // IC卡脚本结果通知
)

// ends tells that the function ends an upload.
func (f Function) ends() bool { return f == EndUnbalanced || f == EndBalanced }

// request returns the message type of the UnionPay message set, for [Key].
func (f Function) request() uint16 {
	switch f {
	case SignOff, Echo, Status, CAKeyList, AIDList:
		return 0x0820
	}
	return 0x0800
}

// String returns the three digits of field 60.3.
func (f Function) String() string { return fmt.Sprintf("%03d", uint16(f)) }
