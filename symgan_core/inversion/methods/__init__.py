"""The methods, a file each: lists of terms. Each file of this folder is imported, so a method is added by adding a file."""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
