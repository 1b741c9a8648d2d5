"""Emulated machines of a Raspberry Pi's class, for script/test-device and whoever wants to count instructions on one.

>>> python = build(MACHINES["aarch64-bookworm"], folder)  # Debian's packages and a venv; its Python runs under QEMU
>>> install(python, build_wheel(folder))  # by its own pip
>>> count(python, make_counter(folder), "program.py")  # instructions
"""
