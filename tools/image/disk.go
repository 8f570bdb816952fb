package main

func (w *work) makeDisk() error { return nil }
