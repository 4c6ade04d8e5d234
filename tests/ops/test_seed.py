async def test_the_demo_data_is_made_once(verb):
    first, second = await verb("seed"), await verb("seed")
    assert (first.code, first.err) == (0, "")
    assert first.out.splitlines()[:3] == ["admin admin", "1000.00 USD for admin", "market BTC-USD"]
    assert (second.code, second.out) == (0, "Nothing to do: the demo data is there.\n")


async def test_outside_the_sandbox_it_is_refused(verb):
    secrets = {"SECRET_KEY": "s" * 32, "JWT_SECRET_KEY": "j" * 32}
    said = await verb("seed", TIDEMARK_SANDBOX="false", **secrets)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("tidemark: Demo data has a known admin password, so it is for the sandbox only")


async def test_a_file_that_is_no_dump_is_one_sentence(verb, tmp_path):
    (tmp_path / "noise").write_text("noise\n")
    said = await verb("seed", tmp_path / "noise")
    assert (said.code, said.err) == (1, f"tidemark: {tmp_path / 'noise'} is not a dump that this release can read.\n")
