"""How Sphinx builds the documentation: ``make docs``."""

import kdumpkey

project = "kdumpkey"
author = "the kdumpkey developers"
copyright = "2026, the kdumpkey developers"  # noqa: A001 - the name that Sphinx reads
version = release = kdumpkey.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns: list[str] = []

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# Types of other projects, whose documentation is not fetched, and names that are not part of the interface.
nitpick_ignore_regex = [("py:.*", r"(?!kdumpkey).*"), ("py:.*", r"kdumpkey\.(?!\w+$).*")]

smartquotes = False  # they would make a dash of the two of an option

html_theme = "furo"
html_title = f"kdumpkey {version}"
html_static_path = ["static"]
html_css_files = ["kdumpkey.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5c8f", "color-brand-content": "#0b5c8f"},
    "dark_css_variables": {"color-brand-primary": "#6cb6e8", "color-brand-content": "#6cb6e8"},
}
pygments_style = "friendly"
pygments_dark_style = "monokai"
