-- Routing: upstream networks with the BIN ranges that they serve, the route table, stand-in
-- for issuers whose network is down, the queue of what was approved in their place, and
-- which types of transaction merchants and terminals may not make. BINs are eight digits.

CREATE TABLE network (
  id        TEXT PRIMARY KEY,
  name      TEXT NOT NULL,
  kind      TEXT NOT NULL,
  state     TEXT NOT NULL,
  since_ms  BIGINT NOT NULL,
  echo_ms   BIGINT NOT NULL,
  echo_ok   BIGINT NOT NULL,
  echoes    BIGINT NOT NULL,
  failures  BIGINT NOT NULL
);

CREATE TABLE network_range (
  network TEXT NOT NULL REFERENCES network (id),
  low     TEXT NOT NULL,
  high    TEXT NOT NULL,
  PRIMARY KEY (network, low)
);

INSERT INTO network (id, name, kind, state, since_ms, echo_ms, echo_ok, echoes, failures) VALUES
  ('unionpay', '银联 UnionPay', 'local', 'up', 0, 0, 0, 0, 0),
  ('visa-mc', 'Visa, Mastercard', 'local', 'up', 0, 0, 0, 0, 0);

INSERT INTO network_range (network, low, high) VALUES
  ('unionpay', '60000000', '69999999'),
  ('unionpay', '81000000', '81719999'),
  ('visa-mc', '22210000', '27209999'),
  ('visa-mc', '40000000', '59999999');

CREATE TABLE merchant_group (
  mid  TEXT PRIMARY KEY,
  name TEXT NOT NULL
);

CREATE TABLE route_rule (
  id           BIGINT PRIMARY KEY,
  merchant     TEXT NOT NULL,
  in_group     TEXT NOT NULL,
  low          TEXT NOT NULL,
  high         TEXT NOT NULL,
  kind         TEXT NOT NULL,
  min_amount   BIGINT NOT NULL,
  max_amount   BIGINT NOT NULL,
  from_minute  BIGINT NOT NULL,
  until_minute BIGINT NOT NULL,
  priority     BIGINT NOT NULL,
  network      TEXT NOT NULL REFERENCES network (id),
  fallback     TEXT NOT NULL
);

INSERT INTO route_rule (id, merchant, in_group, low, high, kind, min_amount, max_amount, from_minute, until_minute, priority, network, fallback) VALUES
  (1, '', '', '60000000', '69999999', '', 0, 0, 0, 0, 0, 'unionpay', ''),
  (2, '', '', '81000000', '81719999', '', 0, 0, 0, 0, 0, 'unionpay', ''),
  (3, '', '', '22210000', '27209999', '', 0, 0, 0, 0, 0, 'visa-mc', ''),
  (4, '', '', '40000000', '59999999', '', 0, 0, 0, 0, 0, 'visa-mc', '');

CREATE TABLE stand_in (
  bin        TEXT PRIMARY KEY,
  max_amount BIGINT NOT NULL,
  day_amount BIGINT NOT NULL,
  day_count  BIGINT NOT NULL,
  pin        TEXT NOT NULL
);

CREATE TABLE stand_in_advice (
  rrn        TEXT PRIMARY KEY,
  network    TEXT NOT NULL,
  pan_hash   BYTEA NOT NULL,
  psn        BIGINT NOT NULL,
  account_id BIGINT NOT NULL,
  amount     BIGINT NOT NULL,
  day        TEXT NOT NULL,
  state      TEXT NOT NULL,
  posting_id BIGINT NOT NULL,
  why        TEXT NOT NULL,
  at_ms      BIGINT NOT NULL,
  done_ms    BIGINT NOT NULL
);

CREATE INDEX stand_in_advice_by_state ON stand_in_advice (state, network, at_ms);

CREATE INDEX stand_in_advice_by_card ON stand_in_advice (pan_hash, day);

CREATE TABLE switched_off (
  scope TEXT NOT NULL,
  id    TEXT NOT NULL,
  kind  TEXT NOT NULL,
  PRIMARY KEY (scope, id, kind)
);

ALTER TABLE payment ADD COLUMN network TEXT NOT NULL DEFAULT '';

ALTER TABLE payment ADD COLUMN route_rule BIGINT NOT NULL DEFAULT 0;

ALTER TABLE payment ADD COLUMN stand_in BIGINT NOT NULL DEFAULT 0;
