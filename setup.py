"""Copy the two start-up files to the root of the wheel; ``setup.cfg`` says all else."""

import os

from setuptools import setup
from setuptools.command.build_py import build_py

STARTUP_FILES = ("antigravity.pth", "antigravity.start")


class BuildWithStartupFiles(build_py):
    """``build_py`` that also ships the start-up files that ``setup.cfg`` cannot name."""

    def run(self):
        """Build, then copy the files to where the interpreter looks for them."""
        super().run()
        if getattr(self, "editable_mode", False):
            self.copy_startup_files(self.get_finalized_command("install_lib").install_dir)
        else:
            self.copy_startup_files(self.build_lib)

    def copy_startup_files(self, target):
        """Copy the start-up files to ``target``."""
        self.mkpath(target)
        for name in STARTUP_FILES:
            self.copy_file(name, os.path.join(target, name))


setup(cmdclass={"build_py": BuildWithStartupFiles})
