-- Foundation: estate, issuer, ledger, payments. Money in minor units; times in
-- milliseconds since 1970-01-01 UTC; keys and replies sealed under the host's master
-- key; card numbers as keyed hash and sealed.

CREATE TABLE merchant (
  mid        TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  status     TEXT NOT NULL,
  account_id BIGINT NOT NULL
);

CREATE TABLE terminal (
  tid        TEXT PRIMARY KEY,
  mid        TEXT NOT NULL REFERENCES merchant (mid),
  sn         TEXT NOT NULL,
  status     TEXT NOT NULL,
  batch      BIGINT NOT NULL,
  signed_on  BIGINT NOT NULL,
  key_set    BIGINT NOT NULL,
  tmk        BYTEA NOT NULL,
  tpk        BYTEA,
  tak        BYTEA,
  tdk        BYTEA
);

CREATE TABLE issuer_key (
  bin        TEXT NOT NULL,
  key_index  BIGINT NOT NULL,
  imk        BYTEA NOT NULL,
  arpc_method BIGINT NOT NULL,
  PRIMARY KEY (bin, key_index)
);

CREATE TABLE card (
  pan_hash   BYTEA NOT NULL,
  psn        BIGINT NOT NULL,
  pan_sealed BYTEA NOT NULL,
  masked     TEXT NOT NULL,
  bin        TEXT NOT NULL,
  expiry     TEXT NOT NULL,
  status     TEXT NOT NULL,
  pin_value  BYTEA NOT NULL,
  pin_tries  BIGINT NOT NULL,
  atc        BIGINT NOT NULL,
  sale_limit BIGINT NOT NULL,
  account_id BIGINT NOT NULL,
  PRIMARY KEY (pan_hash, psn)
);

CREATE TABLE account (
  id          BIGINT PRIMARY KEY,
  name        TEXT NOT NULL UNIQUE,
  currency    BIGINT NOT NULL,
  credit_line BIGINT NOT NULL,
  opening     BIGINT NOT NULL,
  balance     BIGINT NOT NULL
);

CREATE TABLE sequence (
  name       TEXT PRIMARY KEY,
  last       BIGINT NOT NULL
);

CREATE TABLE posting (
  id         BIGINT PRIMARY KEY,
  what       TEXT NOT NULL,
  contra_of  BIGINT UNIQUE REFERENCES posting (id),
  at_ms      BIGINT NOT NULL
);

CREATE TABLE entry (
  posting_id BIGINT NOT NULL REFERENCES posting (id),
  line       BIGINT NOT NULL,
  account_id BIGINT NOT NULL REFERENCES account (id),
  amount     BIGINT NOT NULL,
  PRIMARY KEY (posting_id, line)
);

CREATE INDEX entry_by_account ON entry (account_id);

CREATE TABLE payment (
  mid         TEXT NOT NULL,
  tid         TEXT NOT NULL,
  batch       BIGINT NOT NULL,
  stan        BIGINT NOT NULL,
  class       BIGINT NOT NULL,
  fingerprint BYTEA NOT NULL,
  pan_hash    BYTEA NOT NULL,
  masked      TEXT NOT NULL,
  kind        TEXT NOT NULL,
  amount      BIGINT NOT NULL,
  currency    BIGINT NOT NULL,
  state       TEXT NOT NULL,
  code        TEXT NOT NULL,
  why         TEXT NOT NULL,
  rrn         TEXT NOT NULL,
  auth_code   TEXT NOT NULL,
  reason      TEXT NOT NULL,
  posting_id  BIGINT REFERENCES posting (id),
  reply       BYTEA NOT NULL,
  key_set     BIGINT NOT NULL,
  at_ms       BIGINT NOT NULL,
  PRIMARY KEY (mid, tid, batch, stan, class)
);

CREATE INDEX payment_by_terminal ON payment (tid, batch, stan);

CREATE TABLE rrn_counter (
  node       BIGINT NOT NULL,
  day        TEXT NOT NULL,
  last       BIGINT NOT NULL,
  PRIMARY KEY (node, day)
);
