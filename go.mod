module spoolgate

go 1.26
