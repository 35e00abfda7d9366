"""What the modules of `webapi` show."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

from dv_sync_pipeline import webapi

MODULES = [module.name for module in pkgutil.iter_modules(webapi.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_exports_exist(name):
    """Every exported name is there."""
    module = importlib.import_module(f"dv_sync_pipeline.webapi.{name}")

    assert [] == [export for export in module.__all__ if not hasattr(module, export)]


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_and_classes_are_exported(name):
    """A function or class without a leading underscore is meant for others, and listed."""
    module = importlib.import_module(f"dv_sync_pipeline.webapi.{name}")
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
    }

    assert set() == defined - set(module.__all__)
