import pytest

from api.documents import documents
from runtime.settings import PROJECT_ROOT


@pytest.mark.parametrize("path", documents(), ids=str)
def test_a_generated_document_is_what_the_code_says(path):
    assert (PROJECT_ROOT / path).read_text(encoding="utf-8") == documents()[path], "run python -m api.documents"
