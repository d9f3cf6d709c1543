package rdb

import "strings"

// Every key is made here. All keys of a store share its hash tag, all of a mailbox the mailbox's, so that each script's keys lie on one
// node of a cluster.
//
//	lf:{STORE}:meta    hash    schema, epoch, key, seq (last event), forgot (when it was last found with fewer events than before), last (latest clock seen), gen and ref of the rotation, wl (last held lead dealt), floor, line and told (see head.lua; whatever else changes rot or hand removes floor), s:LABEL (arrival of a source's last lead in ms, 0 without one), labels (sources that became labels beside the configured ones), n:LABEL|BUCKET (plain new leads, beside what cnt tells), checked and difference (last verification), raw (bytes kept), sealed (last event closed), aged (how far personal data was looked through)
//	lf:{STORE}:ev      stream  the events, id SEQ-0; trimmed by sealing alone
//	lf:{STORE}:rot     hash    person -> pass|last|1 where eligible, else the first letter of why not|turns|since|gen; of whom meta line names that tells instead
//	lf:{STORE}:hand    hash    person -> status|until|by, set by hand; cleared when it runs out
//	lf:{STORE}:unt     hash    person -> untouched leads owned, those that are only held left out; and those that meta line tells
//	lf:{STORE}:cnt     hash    counter -> value, names in router
//	lf:{STORE}:leads   zset    lead -> arrival in ms
//	lf:{STORE}:wait    zset    held lead -> arrival in ms
//	lf:{STORE}:ua      zset    untouched lead -> start of its clock in ms
//	lf:{STORE}:ud      zset    untouched lead -> deadline in ms, while it is to come; it falls due then
//	lf:{STORE}:over    zset    untouched lead -> deadline in ms, once it has passed
//	lf:{STORE}:due     zset    lead -> when the first of its timers goes off, in ms, unless that stands in ud
//	lf:{STORE}:owed    zset    lead with a T.O. to be done -> deadline in ms
//	lf:{STORE}:seal    hash    0..n: the last snapshot of the log, in pieces; seal:DRAFT while it is written, expires
//	lf:{STORE}:age     zset    lead that was in use after its arrival was long ago -> when its personal data may go, in ms
//	lf:{STORE}:l:ID    hash    a lead: v, b and o as it was born (see pack.go), and the fields of router.Fields that changed since
//	lf:{STORE}:p:ID    hash    what is personal of it: r1..rn the enquiries, x<event> notes
//	lf:{STORE}:tok:N   hash    arrival token -> decision, in shards
//	lf:{STORE}:fp:N    hash    fingerprint -> lead:last name,... in shards; !MS:last name where somebody of it was forgotten then
//	lf:{STORE}:adm:N   zset    token of an admitted message -> arrival in ms, of the senders of the shard; expires with their limit
//	lf:{STORE}:call:T  string  token of a call -> event; expires in a day
//	lf:{STORE}:q       zset    quarantined message -> time in ms
//	lf:{STORE}:o       zset    other message -> time in ms, the newest 1000
//	lf:{STORE}:park    hash    parked message -> what is known of it
//	lf:{STORE}:raw:ID  string  a quarantined message's bytes; expires
//	lf:{STORE}:config  hash    hash, at: the configuration with it that was loaded last, and when in ms
//	lf:{STORE}:hours   list    ms|hours: since when which opening hours are in force, oldest first, the newest 64, which is years of edits; the first are in force for all time before. Where it is lost today's are, and cannot be found again
//	lf:{STORE}:kept    zset    message|bytes -> expiry in ms, of the raw messages that lie here
//	lf:{mb:MAILBOX}:lease  hash    holder, fence, until; life in which the mailbox was gone over, sound (until when its ledger is known to be whole)
//	lf:{mb:MAILBOX}:hand   string  holder, UIDVALIDITY and UIDs of what it has in hand; expires in a week
//	lf:{mb:MAILBOX}:tries  hash    UIDVALIDITY/UID -> how many holders ended with it in hand; expires in a week
//	lf:{mb:MAILBOX}:first  string  first sight in ms
//	lf:{mb:MAILBOX}:vals   set     every UIDVALIDITY seen
//	lf:{mb:MAILBOX}:uids:V set     shards of the ledger under UIDVALIDITY V
//	lf:{mb:MAILBOX}:uid:V:N hash   UID -> fate|digest|INTERNALDATE in s, 128 UIDs a shard
//	lf:{mb:MAILBOX}:fate   hash    fate -> number of places
//	lf:{:daemon}:life      string  the life of the servers in which they were last compacted, see Store.Compact
const prefix = "lf:"

// theDaemon has what is of no store and of no mailbox.
const theDaemon = storeKeys(prefix + "{:daemon}:")

type storeKeys string

func keysOf(store string) storeKeys { return storeKeys(prefix + "{" + store + "}:") }

func (k storeKeys) is(name string) string { return string(k) + name }

func (k storeKeys) lead(id string) string { return string(k) + "l:" + id }

func (k storeKeys) personal(id string) string { return string(k) + "p:" + id }

func (k storeKeys) call(token string) string { return string(k) + "call:" + token }

func (k storeKeys) raw(id string) string { return string(k) + "raw:" + id }

// shards bounds the size of a shard: at a million leads a few hundred entries each, which Redis still packs tightly.
const shards = 4096

func (k storeKeys) shard(name string, hash []byte) string {
	n := (int(hash[0])<<8 | int(hash[1])) % shards
	return string(k) + name + ":" + itoa(n)
}

func itoa(n int) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[n>>8&15], digits[n>>4&15], digits[n&15]})
}

// storeOf is the store of a lead's id.
func storeOf(lead string) string {
	if i := strings.LastIndexByte(lead, '-'); i > 0 {
		return lead[:i]
	}
	return lead
}
