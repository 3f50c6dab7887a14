"""The client library of these tests, installed by name into the work folder."""
import os, pathlib, subprocess, sys


def need_confluent_kafka(work):
    """Goes on in an interpreter that has confluent-kafka; does not return where this one has it not."""
    try:
        import confluent_kafka  # noqa: F401
        return
    except ImportError:
        pass
    interpreter = pathlib.Path(work) / 'venv/bin/python'
    if pathlib.Path(sys.executable) == interpreter:
        sys.exit('confluent-kafka is installed and cannot be imported')
    if not interpreter.exists():
        subprocess.run([sys.executable, '-m', 'venv', str(pathlib.Path(work) / 'venv')], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([str(interpreter), '-m', 'pip', 'install', '-q', 'confluent-kafka'], check=True)
    os.execv(interpreter, [str(interpreter), *sys.argv])
