// note VKEY STATEMENT PROOF: the checkpoint of a C2SP tlog-proof, and the proof itself, as the Go checksum
// database's client sees them. Prints origin, size and index.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	log.SetFlags(0)
	verifier, err := note.NewVerifier(os.Args[1])
	check(err)
	statement, err := os.ReadFile(os.Args[2])
	check(err)
	proof, err := os.ReadFile(os.Args[3])
	check(err)
	head, checkpoint, _ := bytes.Cut(proof, []byte("\n\n"))
	opened, err := note.Open(checkpoint, note.VerifierList(verifier))
	check(err)

	var size, index int64
	lines := strings.Split(opened.Text, "\n")
	_, err = fmt.Sscan(lines[1], &size)
	check(err)
	root, err := tlog.ParseHash(lines[2])
	check(err)
	path := strings.Split(string(head), "\n")
	_, err = fmt.Sscanf(path[1], "index %d", &index)
	check(err)
	var hashes tlog.RecordProof
	for _, line := range path[2:] {
		hash, err := tlog.ParseHash(line)
		check(err)
		hashes = append(hashes, hash)
	}
	check(tlog.CheckRecord(hashes, size, root, index, tlog.RecordHash(statement)))
	fmt.Println(lines[0], size, index)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
