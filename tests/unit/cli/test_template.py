"""Formats are Go templates, as far as people write them on command lines."""

import pytest

from swarmd.cli.listing import Row, filter_value, listed, parsed_filters
from swarmd.cli.template import TemplateError, parse
from swarmd.errors import InvalidArgumentError

DOT = {
    "Name": "web",
    "Self": True,
    "Count": 3,
    "Half": 0.5,
    "None": None,
    "Labels": {"b": "2", "a": "1"},
    "Ports": [80, 90],
    "Spec": {"Mode": {"Replicated": {"Replicas": 2}}},
}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{.Name}}", "web"),
        ("a{{ .Name }}b", "awebb"),
        ("{{.Spec.Mode.Replicated.Replicas}}", "2"),
        ("{{json .Spec}}", '{"Mode":{"Replicated":{"Replicas":2}}}'),
        ("{{.Labels}} {{.Ports}} {{.Self}} {{.Half}}", "map[a:1 b:2] [80 90] true 0.5"),
        ("{{upper .Name}}{{lower `ABC`}}{{title .Name}}", "WEBabcWeb"),
        ("{{.Name | upper | json}}", '"WEB"'),
        ('{{join .Ports ", "}}', "80, 90"),
        ('{{index .Labels "a"}}{{index .Ports 1}}', "190"),
        ("{{println .Name .Count}}", "web 3\n"),
        ('{{printf "%s-%d" .Name .Count}}', "web-3"),
        ("{{pad .Name 1 2}}|{{truncate .Name 2}}", " web  |we"),
        ("{{if .Self}}*{{else}}-{{end}}", "*"),
        ("{{if not .Self}}*{{else if .Count}}n{{else}}-{{end}}", "n"),
        ("{{if and .Self (gt .Count 2)}}y{{end}}", "y"),
        ('{{if or .None (eq .Name "web")}}y{{end}}', "y"),
        ("{{range .Ports}}<{{.}}>{{end}}", "<80><90>"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "a=1 b=2 "),
        ("{{range .None}}x{{else}}none{{end}}", "none"),
        ("{{with .Spec}}{{.Mode.Replicated}}{{$.Name}}{{end}}", "map[Replicas:2]web"),
        ("{{with $x := .Name}}{{$x}}{{end}}", "web"),
        ("a {{- .Name -}} b", "awebb"),
        ('{{"a\\tb"}}', "a\tb"),
        ("{{len .Ports}}", "2"),
        (
            '{{(index .Spec "Mode").Replicated.Replicas}} {{json (.Spec.Mode).Replicated}}',
            '2 {"Replicas":2}',
        ),
        ("{{slice .Name 1 2}}{{slice .Name 2}}", "eb"),
    ],
)
def test_a_template_is_rendered(source: str, text: str) -> None:
    assert parse(source).render(DOT) == text


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{{.Nope}}", ':1:2: executing "" at <.Nope>: can\'t evaluate field Nope'),
        ("ab{{.Name.X}}", ':1:4: executing "" at <.Name.X>: can\'t evaluate field X'),
        ("{{.None.X}}", ':1:2: executing "" at <.None.X>: nil pointer evaluating X'),
        ("{{nope}}", ':1: function "nope" not defined'),
        ("{{.Name", ":1: unclosed action"),
        ("{{if .Name}}", ":1: unexpected EOF"),
        ("{{end}}", ":1: unexpected {{end}}"),
        ("{{else}}", ":1: unexpected {{else}}"),
        ("{{}}", ":1: missing value for command"),
        ("{{if}}x{{end}}", ":1: missing value for if"),
        ("{{(upper .Name}}", ":1: unclosed left paren"),
        ("{{$x}}", ":1: undefined variable '$x'"),
        ("{{range .Name}}{{end}}", ":1: range can't iterate over web"),
        ("{{.Name .Count}}", ":1: can't give argument to non-function .Name"),
        ("{{index .Ports 5}}", ":1: error calling index: index out of range: 5"),
        ("{{slice .Name 1 9}}", ":1: error calling slice: index out of range: 9"),
        ("{{.Name ?}}", ":1: unexpected '?' in command"),
    ],
)
def test_what_is_wrong_is_said_in_gos_words(source: str, problem: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse(source).render(DOT)
    assert str(caught.value).startswith(f"template parsing error: template: {problem}")


def test_fields_that_the_api_leaves_out_may_be_optional() -> None:
    assert parse("{{.Nope}} {{.Spec.Nope}}").render(DOT, optional=True) == "<no value> <no value>"


ROWS: list[Row] = [
    {"Self": True, "ID": "i1", "Name": "web"},
    {"ID": "i2", "Name": "db", "Self": False},
]
HEADINGS = {"ID": "ID", "Name": "NAME", "Self": ""}


def show(format_: str, *, is_quiet: bool = False) -> str:
    return listed(
        ROWS,
        HEADINGS,
        format_=format_,
        default="{{.ID}}\t{{.Name}}",
        is_quiet=is_quiet,
        raw={"node_id": "ID", "name": "Name"},
    )


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("", "ID        NAME\ni1        web\ni2        db\n"),
        ("table", "ID        NAME\ni1        web\ni2        db\n"),
        ("table {{.Name}}", "NAME\nweb\ndb\n"),
        (r"table {{upper .Name}}\t{{.ID}}", "NAME      ID\nWEB       i1\nDB        i2\n"),
        ("{{.Name}}={{.ID}}", "web=i1\ndb=i2\n"),
        (r"{{.Name}}\n", "web\n\ndb\n\n"),
        (
            "json",
            '{"ID":"i1","Name":"web","Self":true}\n{"ID":"i2","Name":"db","Self":false}\n',
        ),
        (
            "{{json .}}",
            '{"ID":"i1","Name":"web","Self":true}\n{"ID":"i2","Name":"db","Self":false}\n',
        ),
        ("raw", "node_id: i1\nname: web\n\nnode_id: i2\nname: db\n\n"),
        (
            "table {{.ID}} {{if .Self}}*{{else}} {{end}}\t{{.Name}}",
            "ID        NAME\ni1 *      web\ni2        db\n",
        ),
    ],
)
def test_a_list_is_printed_as_asked_for(format_: str, text: str) -> None:
    assert show(format_) == text


def test_quiet_is_the_ids_alone_unless_a_format_is_given() -> None:
    assert show("", is_quiet=True) == "i1\ni2\n"
    assert show("{{.Name}}", is_quiet=True) == "web\ndb\n"
    assert show("raw", is_quiet=True) == "node_id: i1\nnode_id: i2\n"


def test_filters_of_one_name_are_alternatives() -> None:
    assert parsed_filters(["name=a", "Name= b", "label=x=y"]) == {
        "name": ["a", "b"],
        "label": ["x=y"],
    }
    assert filter_value("a=b") == "a=b"
    with pytest.raises(InvalidArgumentError, match="bad format of filter"):
        filter_value("a")
