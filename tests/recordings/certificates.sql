-- SSL and X509, joined on the subject within a second, and on the certificate's file id.
CREATE STREAM SSL_STREAM (ts DOUBLE(16,6), uid STRING, version STRING, cipher STRING, server_name STRING,
    subject STRING, issuer STRING, validation_status STRING, cert_chain_fuids ARRAY<STRING>)
  WITH (KAFKA_TOPIC='ssl', VALUE_FORMAT='JSON', TIMESTAMP='ts');
CREATE STREAM X509_STREAM (ts DOUBLE(16,6), id STRING, certificate_subject STRING, certificate_not_valid_after DOUBLE)
  WITH (KAFKA_TOPIC='x509', VALUE_FORMAT='JSON', TIMESTAMP='ts');
CREATE STREAM BY_SUBJECT AS SELECT s.SUBJECT AS SUBJECT, s.TS AS SSL_TS, x.TS AS X509_TS,
    TIMESTAMPTOSTRING((x.certificate_not_valid_after * 1000), 'yyyy-MM-dd HH:mm:ss') AS CERT_EXPIRATION_DATE
  FROM SSL_STREAM s INNER JOIN X509_STREAM x WITHIN 1 SECONDS on s.SUBJECT = x.certificate_subject;
CREATE STREAM BY_FILE AS SELECT x.id AS FUID, s.UID AS UID, s.SUBJECT AS SUBJECT
  FROM SSL_STREAM s INNER JOIN X509_STREAM x WITHIN 1 SECONDS on s.cert_chain_fuids[1] = x.id;
