-- Ledger: a posting is rows of transfer, each of which takes an amount from one account to
-- another, so a posting that does not balance cannot be written down at all; entry is what
-- each transfer does to its two accounts. Old entries become transfers where the stretches
-- of takings and givings of their posting overlap. Settlement: terms, statements, lines.

CREATE TABLE transfer (
  posting_id   BIGINT NOT NULL REFERENCES posting (id),
  line         BIGINT NOT NULL,
  from_account BIGINT NOT NULL REFERENCES account (id),
  to_account   BIGINT NOT NULL REFERENCES account (id),
  amount       BIGINT NOT NULL CHECK (amount > 0),
  PRIMARY KEY (posting_id, line)
);

INSERT INTO transfer (posting_id, line, from_account, to_account, amount)
SELECT d.posting_id, ROW_NUMBER() OVER (PARTITION BY d.posting_id ORDER BY d.line, c.line) - 1, d.account_id, c.account_id,
  (CASE WHEN d.until < c.until THEN d.until ELSE c.until END) - (CASE WHEN d.since > c.since THEN d.since ELSE c.since END)
FROM (SELECT posting_id, line, account_id, CAST(SUM(-amount) OVER w AS BIGINT) AS until, CAST(SUM(-amount) OVER w AS BIGINT) + amount AS since
    FROM entry WHERE amount < 0 WINDOW w AS (PARTITION BY posting_id ORDER BY line)) d
JOIN (SELECT posting_id, line, account_id, CAST(SUM(amount) OVER w AS BIGINT) AS until, CAST(SUM(amount) OVER w AS BIGINT) - amount AS since
    FROM entry WHERE amount > 0 WINDOW w AS (PARTITION BY posting_id ORDER BY line)) c
  ON c.posting_id = d.posting_id AND c.since < d.until AND d.since < c.until;

DROP TABLE entry;

CREATE INDEX transfer_by_from ON transfer (from_account);

CREATE INDEX transfer_by_to ON transfer (to_account);

CREATE VIEW entry AS
SELECT posting_id, line * 2 AS line, from_account AS account_id, -amount AS amount FROM transfer
UNION ALL
SELECT posting_id, line * 2 + 1 AS line, to_account AS account_id, amount FROM transfer;

CREATE TABLE fee_rule (
  mcc     TEXT NOT NULL,
  funding TEXT NOT NULL,
  region  TEXT NOT NULL,
  rate_bp BIGINT NOT NULL CHECK (rate_bp >= 0),
  min_fee BIGINT NOT NULL CHECK (min_fee >= 0),
  max_fee BIGINT NOT NULL CHECK (max_fee >= 0),
  returns BIGINT NOT NULL,
  PRIMARY KEY (mcc, funding, region)
);

INSERT INTO fee_rule (mcc, funding, region, rate_bp, min_fee, max_fee, returns) VALUES
  ('', 'debit', 'domestic', 50, 0, 2000, 1),
  ('', 'credit', 'domestic', 60, 0, 0, 1),
  ('', 'debit', 'foreign', 150, 0, 0, 0),
  ('', 'credit', 'foreign', 200, 0, 0, 0);

CREATE TABLE merchant_terms (
  mid    TEXT PRIMARY KEY REFERENCES merchant (mid),
  mcc    TEXT NOT NULL,
  frozen TEXT NOT NULL
);

CREATE TABLE statement (
  day            TEXT NOT NULL,
  mid            TEXT NOT NULL REFERENCES merchant (mid),
  cutoff_ms      BIGINT NOT NULL,
  gross          BIGINT NOT NULL,
  fee            BIGINT NOT NULL,
  net            BIGINT NOT NULL,
  brought        BIGINT NOT NULL,
  suspended      BIGINT NOT NULL,
  released       BIGINT NOT NULL,
  paid           BIGINT NOT NULL CHECK (paid >= 0),
  carried        BIGINT NOT NULL,
  why            TEXT NOT NULL,
  PRIMARY KEY (day, mid),
  CHECK (net = gross - fee),
  CHECK (carried = brought + net - suspended + released - paid)
);

CREATE TABLE statement_line (
  posting_id  BIGINT PRIMARY KEY REFERENCES posting (id),
  day         TEXT NOT NULL,
  mid         TEXT NOT NULL,
  part        TEXT NOT NULL,
  tid         TEXT NOT NULL,
  batch       BIGINT NOT NULL,
  stan        BIGINT NOT NULL,
  kind        TEXT NOT NULL,
  masked      TEXT NOT NULL,
  rrn         TEXT NOT NULL,
  network     TEXT NOT NULL,
  mcc         TEXT NOT NULL,
  rate_bp     BIGINT NOT NULL,
  gross       BIGINT NOT NULL,
  fee         BIGINT NOT NULL,
  state       TEXT NOT NULL,
  at_ms       BIGINT NOT NULL
);

CREATE INDEX statement_line_by_day ON statement_line (day, mid);

CREATE INDEX statement_line_by_state ON statement_line (mid, state);
