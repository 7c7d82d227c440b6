-- Every transaction of the terminal's list, settlement, and lists to download. A payment
-- names the one that it is about by its reference number; holds are a memo beside the
-- balance; total is the amount after adjustments.

ALTER TABLE account ADD COLUMN held BIGINT NOT NULL DEFAULT 0;

CREATE TABLE hold (
  id         BIGINT PRIMARY KEY,
  account_id BIGINT NOT NULL REFERENCES account (id),
  amount     BIGINT NOT NULL,
  state      TEXT NOT NULL,
  at_ms      BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL
);

CREATE INDEX hold_by_account ON hold (account_id, state);

CREATE INDEX posting_by_contra ON posting (contra_of);

ALTER TABLE payment ADD COLUMN total BIGINT NOT NULL DEFAULT 0;

UPDATE payment SET total = amount;

ALTER TABLE payment ADD COLUMN refunded BIGINT NOT NULL DEFAULT 0;

ALTER TABLE payment ADD COLUMN original TEXT NOT NULL DEFAULT '';

ALTER TABLE payment ADD COLUMN psn BIGINT NOT NULL DEFAULT -1;

ALTER TABLE payment ADD COLUMN entry_mode TEXT NOT NULL DEFAULT '';

ALTER TABLE payment ADD COLUMN is_foreign BIGINT NOT NULL DEFAULT 0;

ALTER TABLE payment ADD COLUMN is_late BIGINT NOT NULL DEFAULT 0;

ALTER TABLE payment ADD COLUMN is_settled BIGINT NOT NULL DEFAULT 0;

ALTER TABLE payment ADD COLUMN hold_id BIGINT NOT NULL DEFAULT 0;

ALTER TABLE payment ADD COLUMN account_id BIGINT NOT NULL DEFAULT 0;

ALTER TABLE payment ADD COLUMN atc BIGINT NOT NULL DEFAULT -1;

CREATE INDEX payment_by_rrn ON payment (rrn);

CREATE INDEX payment_by_card ON payment (mid, pan_hash);

CREATE INDEX payment_by_original ON payment (original);

CREATE TABLE policy (
  bin                TEXT PRIMARY KEY,
  typed              TEXT NOT NULL,
  stripe             TEXT NOT NULL,
  hold_days          BIGINT NOT NULL,
  completion_percent BIGINT NOT NULL,
  tip_percent        BIGINT NOT NULL,
  offline_limit      BIGINT NOT NULL
);

INSERT INTO policy (bin, typed, stripe, hold_days, completion_percent, tip_percent, offline_limit)
VALUES ('', 'refuse', 'fallback', 30, 115, 100, 100000);

ALTER TABLE card ADD COLUMN chip BIGINT NOT NULL DEFAULT 1;

ALTER TABLE issuer_key ADD COLUMN smi BYTEA;

CREATE TABLE chip_use (
  pan_hash BYTEA NOT NULL,
  psn      BIGINT NOT NULL,
  atc      BIGINT NOT NULL,
  PRIMARY KEY (pan_hash, psn, atc)
);

CREATE TABLE issuer_script (
  id       BIGINT PRIMARY KEY,
  pan_hash BYTEA NOT NULL,
  psn      BIGINT NOT NULL,
  template BIGINT NOT NULL,
  command  TEXT NOT NULL,
  rrn      TEXT NOT NULL,
  result   TEXT NOT NULL
);

CREATE INDEX issuer_script_by_card ON issuer_script (pan_hash, psn, rrn);

CREATE TABLE domestic_rule (
  kind   TEXT NOT NULL,
  prefix TEXT NOT NULL,
  PRIMARY KEY (kind, prefix)
);

INSERT INTO domestic_rule (kind, prefix) VALUES ('bin', '62'), ('rid', 'A000000333');

CREATE TABLE settlement (
  tid             TEXT NOT NULL,
  batch           BIGINT NOT NULL,
  mid             TEXT NOT NULL,
  stan            BIGINT NOT NULL,
  operator        TEXT NOT NULL,
  state           TEXT NOT NULL,
  terminal_totals TEXT NOT NULL,
  host_totals     TEXT NOT NULL,
  domestic        BIGINT NOT NULL,
  other           BIGINT NOT NULL,
  rrn             TEXT NOT NULL,
  end_function    BIGINT NOT NULL,
  end_count       BIGINT NOT NULL,
  at_ms           BIGINT NOT NULL,
  ended_ms        BIGINT NOT NULL,
  PRIMARY KEY (tid, batch)
);

CREATE TABLE upload (
  tid      TEXT NOT NULL,
  batch    BIGINT NOT NULL,
  stan     BIGINT NOT NULL,
  source   TEXT NOT NULL,
  kind     TEXT NOT NULL,
  pan_hash BYTEA NOT NULL,
  masked   TEXT NOT NULL,
  amount   BIGINT NOT NULL,
  icc      BYTEA NOT NULL,
  genuine  TEXT NOT NULL,
  at_ms    BIGINT NOT NULL,
  PRIMARY KEY (tid, batch, stan, source)
);

CREATE TABLE difference (
  id        BIGINT PRIMARY KEY,
  tid       TEXT NOT NULL,
  batch     BIGINT NOT NULL,
  stan      BIGINT NOT NULL,
  kind      TEXT NOT NULL,
  terminal  TEXT NOT NULL,
  host      TEXT NOT NULL,
  state     TEXT NOT NULL,
  remark    TEXT NOT NULL,
  worked_by TEXT NOT NULL,
  at_ms     BIGINT NOT NULL,
  UNIQUE (tid, batch, stan, kind)
);

CREATE TABLE list_version (
  list    TEXT PRIMARY KEY,
  version BIGINT NOT NULL
);

CREATE TABLE list_item (
  list     TEXT NOT NULL,
  name     TEXT NOT NULL,
  tid      TEXT NOT NULL,
  content  BYTEA NOT NULL,
  PRIMARY KEY (list, tid, name)
);

CREATE TABLE terminal_list (
  tid     TEXT NOT NULL,
  list    TEXT NOT NULL,
  asked   BIGINT NOT NULL,
  told    BIGINT NOT NULL,
  PRIMARY KEY (tid, list)
);

CREATE TABLE terminal_order (
  tid   TEXT NOT NULL,
  job   BIGINT NOT NULL,
  at_ms BIGINT NOT NULL,
  PRIMARY KEY (tid, job)
);

CREATE TABLE terminal_status (
  tid    TEXT NOT NULL,
  at_ms  BIGINT NOT NULL,
  status TEXT NOT NULL,
  PRIMARY KEY (tid, at_ms)
);

CREATE TABLE counter (
  name TEXT PRIMARY KEY,
  n    BIGINT NOT NULL
);
