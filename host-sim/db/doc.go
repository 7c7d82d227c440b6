// Package db opens the host's database, a SQLite file or a PostgreSQL server's, and runs its
// migrations.
//
// Three words to know:
//
//   - an Update is work for the single writer, on disk when it returns: what waits shares
//     a commit, each with a savepoint of its own;
//   - a View is one read-only transaction, which sees what was committed before it;
//   - a migration is a file of package db's folder schema, applied once, in order.
//
// The SQL here and in the packages that own the tables keeps to what SQLite and
// PostgreSQL both read: placeholders $1, types TEXT, BIGINT and BYTEA, no triggers,
// no date functions (time is data: milliseconds since 1970). Queries live in one
// file, queries.go, of the package that owns the table. The package knows no table
// but schema_version.
//
// SQLite runs in WAL mode with synchronous FULL: a commit that returned survives the
// loss of power. [OpenVolatile] gives that up for speed. On PostgreSQL any number of hosts
// may share a database: a lock makes the write transactions of all follow one another. An error from a commit means
// "unknown": callers ask again by key.
package db
