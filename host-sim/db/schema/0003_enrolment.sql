-- Enrolment: devices by serial number with their activation codes, and what a terminal is
-- told of itself. Codes are a keyed hash; the answer that a code was given is sealed.

CREATE TABLE device (
  sn         TEXT PRIMARY KEY,
  tid        TEXT NOT NULL REFERENCES terminal (tid),
  state      TEXT NOT NULL,
  suite      TEXT NOT NULL,
  code_hash  BYTEA,
  until_ms   BIGINT NOT NULL,
  tries      BIGINT NOT NULL,
  request    BYTEA,
  answer     BYTEA,
  at_ms      BIGINT NOT NULL
);

CREATE INDEX device_by_terminal ON device (tid);

CREATE TABLE profile (
  tid        TEXT PRIMARY KEY REFERENCES terminal (tid),
  bank       TEXT NOT NULL,
  access     TEXT NOT NULL,
  hotline    TEXT NOT NULL,
  parameters BYTEA NOT NULL,
  version    BIGINT NOT NULL
);
