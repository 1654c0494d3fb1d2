"""What a newcomer does first: `make run`, and in another terminal `make demo`."""

from pathlib import Path

from tests.core.commands.launcher import launcher_in


def test_the_demo_gets_every_alert_of_its_month_from_the_running_system(tmp_path: Path) -> None:
    with launcher_in(tmp_path, with_stand_ins=False) as launcher:
        launcher.start()
        assert launcher.is_up(), launcher.log
        demo = launcher.run_beside("demo")
        assert demo.returncode == 0, demo.stdout + demo.stderr + launcher.log
        assert demo.stdout.count(">> ALERT") == 6
        assert "6 alerts, each once" in demo.stdout
        launcher.process.terminate()
        assert launcher.process.wait(timeout=40) == 0
        assert "Traceback" not in launcher.log
        assert launcher.leaves_nothing()


def test_the_demo_says_in_one_line_that_nothing_runs(tmp_path: Path) -> None:
    with launcher_in(tmp_path) as launcher:
        demo = launcher.run_beside("demo")
    assert demo.returncode == 1
    assert demo.stdout == ""
    assert demo.stderr.startswith("outlay: no API answers at 127.0.0.1:")
    assert demo.stderr.endswith("start one with: make run\n")
