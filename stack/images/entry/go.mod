module livehouse.invalid/entry

go 1.25
