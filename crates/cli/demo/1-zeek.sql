-- Zeek's logs as streams, as in the tutorial "Streaming Zeek Events".
CREATE STREAM conn_stream (
  ts DOUBLE, uid STRING, `id.orig_h` STRING, `id.orig_p` INTEGER, `id.resp_h` STRING, `id.resp_p` INTEGER,
  proto STRING, service STRING, conn_state STRING, local_orig BOOLEAN, local_resp BOOLEAN,
  orig_bytes BIGINT, resp_bytes BIGINT, orig_ip_bytes BIGINT, resp_ip_bytes BIGINT
) WITH (KAFKA_TOPIC='conn', VALUE_FORMAT='JSON');

CREATE STREAM dns_stream (
  ts DOUBLE, uid STRING, `id.orig_h` STRING, `id.orig_p` INTEGER, `id.resp_h` STRING, `id.resp_p` INTEGER,
  proto STRING, `query` STRING, qtype_name STRING, answers ARRAY<STRING>, ttls ARRAY<DOUBLE>
) WITH (KAFKA_TOPIC='dns', VALUE_FORMAT='JSON');

CREATE STREAM http_stream (
  ts DOUBLE, uid STRING, `id.orig_h` STRING, `id.resp_h` STRING, method STRING, host STRING, uri STRING,
  user_agent STRING, status_code INTEGER
) WITH (KAFKA_TOPIC='http', VALUE_FORMAT='JSON');

CREATE STREAM ssl_stream (
  ts DOUBLE, uid STRING, `id.orig_h` STRING, `id.orig_p` INTEGER, `id.resp_h` STRING, `id.resp_p` INTEGER,
  version STRING, cipher STRING, server_name STRING, subject STRING, issuer STRING, validation_status STRING
) WITH (KAFKA_TOPIC='ssl', VALUE_FORMAT='JSON');

CREATE STREAM x509_stream (
  ts DOUBLE, id STRING, `certificate.subject` STRING, `certificate.issuer` STRING,
  `certificate.not_valid_before` DOUBLE, `certificate.not_valid_after` DOUBLE, `certificate.key_length` INTEGER
) WITH (KAFKA_TOPIC='x509', VALUE_FORMAT='JSON');

-- Connections from outside to the office.
CREATE STREAM inbound_stream AS
  SELECT * FROM conn_stream WHERE local_orig != true AND `id.resp_h` LIKE '192.168.1%';

-- Certificates that are not trusted.
CREATE STREAM untrusted_certificates AS
  SELECT ts, `id.orig_h` AS src_ip, `id.resp_h` AS dest_ip, subject, validation_status
  FROM ssl_stream WHERE validation_status != 'ok';

-- … and of those, the ones younger than 30 days.
CREATE STREAM new_ssl_stream AS
  SELECT s.subject AS subject, s.`id.orig_h` AS src_ip, s.`id.resp_h` AS dest_ip,
    s.validation_status AS validation_status,
    (s.ts - x.`certificate.not_valid_before`) / 86400 AS age_days
  FROM ssl_stream s INNER JOIN x509_stream x WITHIN 1 SECONDS ON s.subject = x.`certificate.subject`
  WHERE s.validation_status != 'ok' AND s.ts - x.`certificate.not_valid_before` < 2592000;

-- Names asked for, a minute and domain; a domain with many is suspicious.
CREATE TABLE dns_per_minute AS
  SELECT REGEXP_EXTRACT('[^.]+[.][^.]+$', `query`) AS domain, COUNT(*) AS lookups
  FROM dns_stream WINDOW TUMBLING (SIZE 1 MINUTES)
  WHERE qtype_name = 'TXT'
  GROUP BY REGEXP_EXTRACT('[^.]+[.][^.]+$', `query`)
  HAVING COUNT(*) >= 60;
