-- Sysmon's events through Winlogbeat, as in the article on HELK, in today's syntax.
CREATE STREAM winlogbeat_stream (
  source_name VARCHAR, type VARCHAR, task VARCHAR, log_name VARCHAR, computer_name VARCHAR, event_id INTEGER,
  event_data STRUCT<
    UtcTime VARCHAR, ProcessGuid VARCHAR, ProcessId INTEGER, Image VARCHAR, CommandLine VARCHAR, User VARCHAR,
    ParentProcessGuid VARCHAR, ParentImage VARCHAR, ParentCommandLine VARCHAR,
    Protocol VARCHAR, SourceIp VARCHAR, SourcePort INTEGER, DestinationIp VARCHAR, DestinationPort INTEGER>
) WITH (KAFKA_TOPIC='winlogbeat', VALUE_FORMAT='JSON');

CREATE STREAM winlogbeat_stream_rekey
  WITH (VALUE_FORMAT='JSON', PARTITIONS=1, TIMESTAMP='event_date_creation') AS
  SELECT STRINGTOTIMESTAMP(event_data->UtcTime, 'yyyy-MM-dd HH:mm:ss.SSS') AS event_date_creation,
    event_data->ProcessGuid AS process_guid, event_data->ProcessId AS process_id,
    event_data->Image AS process_path, event_data->CommandLine AS process_command_line,
    event_data->ParentProcessGuid AS parent_process_guid, event_data->ParentImage AS parent_process_path,
    event_data->User AS user_account, computer_name AS host_name,
    event_data->SourceIp AS src_ip_addr, event_data->DestinationIp AS dst_ip_addr,
    event_data->DestinationPort AS dst_port, event_id
  FROM winlogbeat_stream
  WHERE source_name = 'Microsoft-Windows-Sysmon'
  PARTITION BY event_data->ProcessGuid;

CREATE STREAM sysmon_process_create AS
  SELECT process_guid, event_date_creation, process_id, process_path, process_command_line,
    parent_process_guid, parent_process_path, user_account, host_name
  FROM winlogbeat_stream_rekey WHERE event_id = 1;

CREATE STREAM sysmon_network_connect AS
  SELECT process_guid, event_date_creation, process_path, src_ip_addr, dst_ip_addr, dst_port, user_account, host_name
  FROM winlogbeat_stream_rekey WHERE event_id = 3;

CREATE TABLE sysmon_process_create_table (
  process_guid VARCHAR PRIMARY KEY, process_path VARCHAR, process_command_line VARCHAR,
  parent_process_guid VARCHAR, parent_process_path VARCHAR
) WITH (KAFKA_TOPIC='SYSMON_PROCESS_CREATE', VALUE_FORMAT='JSON');

-- Who called out, and how was it started?
CREATE STREAM sysmon_join WITH (PARTITIONS=1) AS
  SELECT n.process_guid AS process_guid, n.host_name AS host_name, n.user_account AS user_account,
    n.src_ip_addr AS src_ip_addr, n.dst_ip_addr AS dst_ip_addr,
    p.process_path AS process_path, p.process_command_line AS process_command_line,
    p.parent_process_path AS parent_process_path
  FROM sysmon_network_connect n
  INNER JOIN sysmon_process_create_table p ON n.process_guid = p.process_guid;

-- Office programs that start shells, and commands that hide what they do.
CREATE STREAM windows_alerts AS
  SELECT process_guid, host_name, user_account, process_path, process_command_line, parent_process_path
  FROM sysmon_process_create
  WHERE parent_process_path LIKE '%WINWORD.EXE' AND process_command_line LIKE '% -enc %';

-- The same process calling the same address again and again.
CREATE TABLE beacons WITH (KEY_FORMAT='JSON') AS
  SELECT process_guid, dst_ip_addr, COUNT(*) AS calls
  FROM sysmon_network_connect WINDOW TUMBLING (SIZE 5 MINUTES)
  GROUP BY process_guid, dst_ip_addr
  HAVING COUNT(*) >= 8;

-- What the suspicious programs started in turn.
CREATE STREAM children_of_shells AS
  SELECT process_guid, parent_process_guid, process_command_line, host_name
  FROM sysmon_process_create WHERE parent_process_path LIKE '%powershell.exe';
