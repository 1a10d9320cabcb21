package main

import "fmt"

// What a gateway sends with every request that comes from a client.
const client = `"token":{"user":"usr_01kttqmd2t5ig81fsg","roles":["buyer"]},"cid":"dc01kttqmd2t5ig81fsg"`

// getRequest asks for the state of a model.
func getRequest(service string, item int) (string, []byte) {
	return fmt.Sprintf("get.%s.item.%d", service, item), []byte("{}")
}

// sumRequest calls with typed parameters and a typed result.
func sumRequest(service string, item int) (string, []byte) {
	payload := fmt.Sprintf(`{"params":{"a":%d,"b":25,"label":"two seats in the stalls"},%s}`, item, client)
	return fmt.Sprintf("call.%s.item.%d.sum", service, item), []byte(payload)
}

// incrementRequest changes one property of a model.
func incrementRequest(service string, item int) (string, []byte) {
	return fmt.Sprintf("call.%s.item.%d.increment", service, item), []byte(`{"params":null,` + client + `}`)
}
