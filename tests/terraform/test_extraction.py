from __future__ import annotations

import pytest

from tests.terraform.extraction import extracted

# In the manner of the generated code, and as short as it can be.
ENTRY = """            {name}: {{
                value: {value},
                isBlock: {block},
                type: "{kind}",
                storageClassType: "{storage}",
            }},
"""


def entry(name: str, value: str, kind: str = "simple", storage: str = "string", *, block: bool = False) -> str:
    return ENTRY.format(name=name, value=value, block="true" if block else "false", kind=kind, storage=storage)


def reset(name: str, suffix: str = "") -> str:
    return f"    reset{name[0].upper()}{name[1:]}() {{\n        this._{name}{suffix} = undefined;\n    }}\n"


TEXT = (
    "function cakeLayerToHclTerraform(struct) {\n    const attrs = {\n"
    + entry("filling", "cdktf.stringToHclTerraform(struct.filling)")
    + entry("thick", "cdktf.booleanToHclTerraform(struct.thick)", storage="boolean")
    + "    };\n}\n"
    + "class CakeLayerOutputReference extends cdktf.ComplexObject {\n"
    + reset("thick")
    + "    get weight() {\n        return this.getNumberAttribute('weight');\n    }\n"
    + "}\n"
    + "class CakeBakerOutputReference extends cdktf.ComplexObject {\n"
    + "    get name() {\n        return this.getStringAttribute('name');\n    }\n"
    + "}\n"
    + "class CakeBakerList extends cdktf.ComplexList {\n}\n"
    + "class Cake extends cdktf.TerraformResource {\n"
    + "            terraformResourceType: 'bakery_cake',\n                providerVersion: '1.2.3',\n"
    + '        this._baker = new CakeBakerList(this, "baker", false);\n'
    + reset("id")
    + reset("taste")
    + reset("candlesWo")
    + reset("sugarNames")
    + "    get price() {\n        return this.getStringAttribute('price');\n    }\n"
    + "    get baker() {\n        return this._baker;\n    }\n"
    + "    get tasteInput() {\n        return this.getStringAttribute('taste_input');\n    }\n"
    + "    synthesizeHclAttributes() {\n        const attrs = {\n"
    + entry("id", "cdktf.stringToHclTerraform(this._id)")
    + entry("name", "cdktf.stringToHclTerraform(this._name)")
    + entry("taste", "cdktf.stringToHclTerraform(this._taste)")
    + entry("candles_wo", "cdktf.numberToHclTerraform(this._candlesWo)", storage="number")
    + entry(
        "sugar_names", "cdktf.listMapperHcl(cdktf.stringToHclTerraform, false)(this._sugarNames)", "set", "stringList"
    )
    + entry("layer", "cakeLayerToHclTerraform(this._layer.internalValue)", "list", "CakeLayerList", block=True)
    + "        };\n    }\n}\n"
)


def test_says_what_must_be_given_and_what_may_be() -> None:
    said = extracted(TEXT)
    assert said is not None
    assert (said.kind, said.name, said.version) == ("resource", "bakery_cake", "1.2.3")
    assert said.schema["attributes"] == {
        "baker": {"type": ["list", ["object", {"name": "string"}]], "computed": True},
        "candles_wo": {"type": "number", "optional": True, "write_only": True},
        "id": {"type": "string", "computed": True},
        "name": {"type": "string", "required": True},
        "price": {"type": "string", "computed": True},
        "sugar_names": {"type": ["set", "string"], "optional": True},
        "taste": {"type": "string", "optional": True},
    }


def test_a_block_that_may_stand_once_and_must() -> None:
    said = extracted(TEXT)
    assert said is not None
    assert said.schema["blocks"] == {
        "layer": {
            "nesting": "list",
            "min": 1,
            "max": 1,
            "block": {
                "attributes": {
                    "filling": {"type": "string", "required": True},
                    "thick": {"type": "bool", "optional": True},
                    "weight": {"type": "number", "computed": True},
                },
                "blocks": {},
            },
        }
    }


def test_a_block_that_may_stand_often() -> None:
    often = TEXT.replace(
        "cakeLayerToHclTerraform(this._layer", "cdktf.listMapperHcl(cakeLayerToHclTerraform, true)(this._layer"
    )
    said = extracted(often)
    assert said is not None
    assert "max" not in said.schema["blocks"]["layer"]


def test_a_data_source_fills_in_what_was_not_given() -> None:
    said = extracted(TEXT.replace("cdktf.TerraformResource", "cdktf.TerraformDataSource"))
    assert said is not None
    assert said.kind == "data"
    assert said.schema["attributes"]["taste"] == {"type": "string", "optional": True, "computed": True}


def test_nothing_of_terraforms() -> None:
    assert extracted("class Cake extends cdktf.ComplexObject {\n}\n") is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("terraformResourceType: 'bakery_cake'", "", "no name"),
        ('storageClassType: "number"', 'storageClassType: "colour"', "unknown type"),
        ("this.getStringAttribute('price')", "this.getColourAttribute('price')", "unknown getter"),
        ("class CakeLayerOutputReference", "class Other", "no class"),
        ("class CakeBakerOutputReference", "class Other", "unknown class"),
        ("cdktf.stringToHclTerraform(this._name)", "name", "no property"),
    ],
    ids=["name", "type", "getter", "block", "object", "property"],
)
def test_what_is_not_understood_is_refused(old: str, new: str, words: str) -> None:
    assert old in TEXT
    with pytest.raises(ValueError, match=words):
        extracted(TEXT.replace(old, new))
