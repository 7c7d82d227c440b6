// Package dbtest opens databases for tests: [Each] runs a test on SQLite and on PostgreSQL,
// [Open] on the one that POSD_TEST_DB names.
//
// Three words to know: a test process starts one server, at its first need, which ends with
// the process; each test has a schema of its own in it; where there is no PostgreSQL the
// test is skipped, and fails in CI (CI=true).
//
// Only tests import it.
package dbtest
