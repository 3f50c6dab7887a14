-- Sysmon 1 and 3 from one topic, re-keyed on the process, the first as a table, joined.
CREATE STREAM WINLOGBEAT_STREAM (SourceName VARCHAR, UtcTime VARCHAR, `@timestamp` VARCHAR, ProcessGuid VARCHAR, ProcessId VARCHAR,
    Image VARCHAR, CommandLine VARCHAR, ParentImage VARCHAR, User VARCHAR, Protocol VARCHAR, SourceIp VARCHAR,
    DestinationIp VARCHAR, EventID INTEGER)
  WITH (KAFKA_TOPIC='winlogbeat', VALUE_FORMAT='JSON');
CREATE STREAM WINLOGBEAT_STREAM_REKEY
  WITH (VALUE_FORMAT='JSON', TIMESTAMP='event_date_creation')
  AS SELECT STRINGTOTIMESTAMP(UtcTime, 'yyyy-MM-dd HH:mm:ss.SSS') AS event_date_creation,
    ProcessGuid AS process_guid, ProcessId AS process_id, Image AS process_path,
    CommandLine AS process_command_line, ParentImage AS parent_process_path, User AS user_account,
    SourceIp AS src_ip_addr, DestinationIp AS dst_ip_addr, EventID AS event_id
  FROM WINLOGBEAT_STREAM
  WHERE SourceName='Microsoft-Windows-Sysmon'
  PARTITION BY ProcessGuid;
CREATE STREAM SYSMON_PROCESS_CREATE AS SELECT event_date_creation, process_guid, process_id, process_path,
    process_command_line, parent_process_path FROM WINLOGBEAT_STREAM_REKEY WHERE event_id=1;
CREATE STREAM SYSMON_NETWORK_CONNECT AS SELECT event_date_creation, process_guid, process_id, process_path,
    user_account, src_ip_addr, dst_ip_addr FROM WINLOGBEAT_STREAM_REKEY WHERE event_id=3;
CREATE TABLE SYSMON_PROCESS_CREATE_TABLE (event_date_creation VARCHAR, process_guid VARCHAR PRIMARY KEY,
    process_id INTEGER, process_path VARCHAR, process_command_line VARCHAR, parent_process_path VARCHAR)
  WITH (KAFKA_TOPIC='SYSMON_PROCESS_CREATE', VALUE_FORMAT='JSON');
CREATE STREAM SYSMON_JOIN AS SELECT N.EVENT_DATE_CREATION, N.PROCESS_GUID, N.USER_ACCOUNT, N.SRC_IP_ADDR,
    N.DST_IP_ADDR, P.PROCESS_COMMAND_LINE, P.PARENT_PROCESS_PATH
  FROM SYSMON_NETWORK_CONNECT N INNER JOIN SYSMON_PROCESS_CREATE_TABLE P ON N.PROCESS_GUID = P.PROCESS_GUID;
