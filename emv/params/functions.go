package params

import (
	"fmt"
	"strconv"
)

// Functions are the switches of tag 26: what a terminal may do, the first function in the
// highest bit. No public source settles the order; it is the table below and nothing else.
type Functions uint32

// Everything switches all functions on.
const Everything Functions = 0xFFFFFFFF

// switches are the functions by their place, 0 first; the names are those of the kinds of
// payment (payment.Kind).
var switches = map[string]int{
	"balance":           0, // 余额查询
	"preauth":           1, // 预授权
	"preauth_void":      2, // 预授权撤销
	"preauth_comp":      3, // 预授权完成(请求)
	"preauth_comp_void": 4, // 预授权完成撤销
	"sale":              5, // 消费
	"void":              6, // 消费撤销
	"refund":            7, // 退货
	"offline_sale":      8, // 离线结算
	"offline_adjust":    9, // 结算调整
	"tip_adjust":        9,
	"preauth_adv":       10, // 预授权完成(通知)
	"ec_offline_upload": 11, // 脱机消费
}

func parseFunctions(v string) (Functions, error) {
	n, err := strconv.ParseUint(v, 16, 32)
	if err != nil || len(v) != 8 {
		return 0, fmt.Errorf("%q: 8 hexadecimal digits wanted", v)
	}
	return Functions(n), nil
}

// Has tells whether a kind of payment, named as payment.Kind names it, is switched on. A
// kind that has no switch is on.
func (f Functions) Has(kind string) bool {
	place, ok := switches[kind]
	return !ok || f&(1<<(31-place)) != 0
}

// Without switches a kind off.
func (f Functions) Without(kind string) Functions {
	if place, ok := switches[kind]; ok {
		f &^= 1 << (31 - place)
	}
	return f
}
