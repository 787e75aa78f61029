"""The parser of one command."""

from livectl.arguments import parser_of


def test_a_parser_knows_its_options_and_which_take_a_value() -> None:
    parser, _ = parser_of("send-audio")
    assert parser.with_value == {"--socket", "--instance", "--speed", "--tail"}
    assert set(parser.options) - parser.with_value == {"--help", "--json", "--quiet", "--follow"}
    assert [one.dest for one in parser.arguments if not one.option_strings] == ["file"]


def test_the_help_of_a_command_tells_of_its_method_once() -> None:
    parser, _ = parser_of("send-text")
    told = parser.format_help()
    assert "method: send_text(text) -> null" in told
    assert parser.format_help() == told
