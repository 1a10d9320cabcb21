// The service of the benchmark, made with go-res as its examples are: the default settings and log.
package main

import (
	"log"
	"os"
	"strconv"

	"github.com/jirenius/go-res"
)

// itemsMax is how many models there are: one for each outstanding request of the driver.
const itemsMax = 1024

type price struct {
	Category string `json:"category"`
	Cents    int    `json:"cents"`
}

type item struct {
	ID       string                 `json:"id"`
	Title    string                 `json:"title"`
	StartsAt string                 `json:"startsAt"`
	Venue    res.Ref                `json:"venue"`
	Prices   res.DataValue[[]price] `json:"prices"`
	Currency string                 `json:"currency"`
	OnSale   bool                   `json:"onSale"`
	Count    uint64                 `json:"count"`
}

type sumParams struct {
	A     int64  `json:"a"`
	B     int64  `json:"b"`
	Label string `json:"label"`
}

type sumResult struct {
	Sum   int64  `json:"sum"`
	Label string `json:"label"`
}

func newItems() []item {
	items := make([]item, itemsMax)
	for number := range items {
		items[number] = item{
			ID:       "item-" + strconv.Itoa(number),
			Title:    "String quartet in the small hall, with an introduction",
			StartsAt: "2027-03-14T19:30:00Z",
			Venue:    res.Ref("halls.hall." + strconv.Itoa(number%7)),
			Prices:   res.NewDataValue([]price{{"A", 6200}, {"B", 4800}, {"C", 3100}}),
			Currency: "EUR",
			OnSale:   true,
		}
	}
	return items
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: service BROKER NAME")
	}
	items := newItems()
	// Requests of one resource come one after another, so nothing else touches its item meanwhile.
	find := func(number string) *item {
		index, err := strconv.Atoi(number)
		if err != nil || index < 0 || index >= len(items) {
			panic(res.ErrNotFound)
		}
		return &items[index]
	}
	service := res.NewService(os.Args[2])
	service.Handle("item.$number",
		res.Access(res.AccessGranted),
		res.GetModel(func(request res.ModelRequest) {
			request.Model(find(request.PathParam("number")))
		}),
		res.Call("sum", func(request res.CallRequest) {
			var params sumParams
			request.ParseParams(&params)
			request.OK(sumResult{Sum: params.A + params.B, Label: params.Label})
		}),
		res.Call("increment", func(request res.CallRequest) {
			item := find(request.PathParam("number"))
			item.Count++
			request.ChangeEvent(map[string]interface{}{"count": item.Count})
			request.OK(nil)
		}),
	)
	if err := service.ListenAndServe(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
