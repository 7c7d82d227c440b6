-- Which terminals have to send field 59 with each message.

ALTER TABLE terminal ADD COLUMN binding BIGINT NOT NULL DEFAULT 0;
