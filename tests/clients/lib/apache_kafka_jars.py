"""Apache Kafka's jars, as the tool in KAFKA_TOOLS fetches them, for programs of ours and of Kafka's that it does not start."""
import os, pathlib, subprocess, sys
from skipped import skip


def folder():
    """The folder with `lib` and the settings of the log; fetched with the first use of a tool."""
    tools = os.environ['KAFKA_TOOLS']
    if not os.path.exists(tools):
        skip('the script that fetches Apache Kafka is not here')
    found = lambda: sorted(pathlib.Path(os.environ.get('XDG_CACHE_HOME', pathlib.Path.home() / '.cache'), 'apache-kafka').glob('*/complete'))
    if not found() and subprocess.run([sys.executable, tools, 'tool', 'topics', '--version'], capture_output=True).returncode:
        skip('Apache Kafka could not be fetched')
    return found()[-1].parent


def java(*args, classes=None, heap='256m'):
    """A command that runs a class on these jars."""
    home = folder()
    path = os.pathsep.join([str(classes)] * bool(classes) + [f'{home}/lib/*'])
    # Short lives: the quick compiler alone starts sooner.
    return ['java', f'-Xmx{heap}', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', path, f'-Dlog4j2.configurationFile={home}/log4j2.properties', *args]
