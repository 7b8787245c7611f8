"""The page in a real browser."""

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from stablebert.report.page.write import write_page
from tests.helpers.browser import axe_findings, start_browser
from tests.helpers.pages import HOSTILE, SCORES, make_collection, make_hostile_collection

pytestmark = pytest.mark.slow
WIDTHS = (390, 1280)
POINTS = ".figure:first-of-type .mark-symbol.role-mark path[fill]:not([fill=transparent])"
SCHEMES = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    collection = make_collection(folder / "runs")
    write_page(collection, folder / "report.html", commands=["stablebert report all scale=mini"])
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser():
    with start_browser() as browser:
        yield browser


@pytest.fixture
def page(browser, path):
    browser.open(path)
    return browser


def find_all(page, selector):
    return page.driver.find_elements(By.CSS_SELECTOR, selector)


def find(page, selector):
    return page.driver.find_element(By.CSS_SELECTOR, selector)


def column(page, table, number):
    """Texts of a table's column, from its first row."""
    return [x.text for x in find_all(page, f"{table} tbody tr > :nth-child({number})")]


@SCHEMES
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_logged_or_requested(browser, path, width, dark):
    browser.open(path, width=width, dark=dark)
    browser.draw_all()
    assert browser.errors() == []
    assert browser.requests() == [path.as_uri()]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_not_wider_than_the_window(browser, path, width):
    browser.open(path, width=width)
    browser.draw_all()
    assert browser.evaluate("return document.documentElement.scrollWidth;") <= width


@SCHEMES
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(browser, path, width, dark):
    browser.open(path, width=width, dark=dark)
    browser.draw_all()
    find_all(browser, "#run-table td button")[0].click()
    assert axe_findings(browser) == []


def test_figures_are_drawn_when_they_come_into_view(page):
    holders = find_all(page, ".figure .chart")
    assert len(find_all(page, ".figure .chart svg")) < len(holders)
    page.draw_all()
    assert len(find_all(page, ".figure .chart svg")) == len(holders)


def test_hovering_over_a_point_shows_the_seed(page):
    page.draw_all()
    points = find_all(page, POINTS)
    tooltips = []
    for point in points[:3]:
        ActionChains(page.driver).scroll_to_element(point).move_to_element(point).perform()
        tooltips.append(find(page, "#vg-tooltip-element").text)
    assert any("seed" in text and "folder" in text for text in tooltips), tooltips


def test_hostile_names_are_text_in_tooltips_and_details(browser, tmp_path):
    path = tmp_path / "report.html"
    write_page(make_hostile_collection(tmp_path / "runs"), path)
    browser.open(path)
    browser.draw_all()
    point = find_all(browser, POINTS)[-1]
    ActionChains(browser.driver).scroll_to_element(point).move_to_element(point).perform()
    assert "<b>m</b>" in find(browser, "#vg-tooltip-element").text
    row = next(x for x in find_all(browser, "#run-table tbody tr") if "<b>m</b>" in x.text)
    row.find_element(By.TAG_NAME, "button").click()
    assert HOSTILE in find(browser, "#run-table .detail").text
    assert find_all(browser, "img, b, i") == []
    assert browser.errors() == []


def test_a_table_is_sorted_by_its_numbers(page):
    find_all(page, ".sweep table.sortable thead th.number .sort")[0].click()
    assert column(page, ".sweep > .table", 3) == ["67.4 ± 3.6", "73.0 ± 1.6"]
    find_all(page, ".sweep table.sortable thead th.number .sort")[0].click()
    assert column(page, ".sweep > .table", 3) == ["73.0 ± 1.6", "67.4 ± 3.6"]


def test_numbers_in_texts_are_sorted_by_their_value(page):
    texts = ["lr=0.001", "lr=6.25e-05", "lr=0.0005", "lr=0.00025", "b", "-", "a"]
    script = "return args[0].sort((a, b) => compareValues(a, b, 1));"
    ascending = ["a", "b", "lr=6.25e-05", "lr=0.00025", "lr=0.0005", "lr=0.001", "-"]
    assert page.evaluate(script, texts) == ascending


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("6.25e-05", 6.25e-5),
        ("85.6 ± 3.3", 85.6),
        ("\u22121.5 [\u22123, 0]", -1.5),
        (".021", 0.021),
    ],
)
def test_the_value_of_a_cell_is_its_first_number(page, text, value):
    assert page.evaluate("return cellValue(args[0], true);", text) == pytest.approx(value)


def test_the_sorted_column_says_so(page):
    head = find_all(page, ".sweep table.sortable thead th.number")[0]
    assert head.get_attribute("aria-sort") is None
    find_all(page, ".sweep table.sortable thead th.number .sort")[0].click()
    assert head.get_attribute("aria-sort") == "ascending"


def test_runs_are_filtered_by_a_choice(page):
    Select(find(page, "#filters select[name=status]")).select_by_value("failed")
    assert "Showing 1 of 1 matching runs; 20 runs in all." in find(page, "#run-count").text
    assert column(page, "#run-table", 1) == ["CoLA"]


def test_runs_are_filtered_by_words(page):
    find(page, "#filters input[name=text]").send_keys("reinit rte")
    assert len(find_all(page, "#run-table tbody tr")) == len(SCORES["rte", "reinit"])


def test_filters_can_be_reset(page):
    find(page, "#filters input[name=text]").send_keys("nothing like this")
    assert find_all(page, "#run-table tbody tr") == []
    find(page, "#filters button[type=reset]").click()
    page.evaluate("return new Promise((next) => setTimeout(next, 50));")
    assert len(find_all(page, "#run-table tbody tr")) == 20


def test_runs_are_sorted_by_their_score(page):
    button = next(x for x in find_all(page, "#run-table .sort") if x.text == "test")
    button.click()
    scores = [float(text) for text in column(page, "#run-table", 6)]
    assert scores == sorted(scores)
    assert len(scores) == 20


def test_a_run_with_a_history_shows_its_curves(page):
    buttons = find_all(page, "#run-table td button")
    page.evaluate("args[0].forEach((button) => button.click());", buttons)
    page.evaluate("return Promise.all([...document.querySelectorAll('.curves .chart')]"
                  ".map((holder) => holder.drawing));")  # fmt: skip
    assert [svg.size["width"] > 150 for svg in find_all(page, ".curves svg")] == [True, True]
    assert len(find_all(page, ".curves > p")) == 19
    assert find_all(page, ".curves > p")[0].text == (
        "No curves: the folders of this report hold no valid history of this run."
    )


def test_a_click_copies_a_table_as_csv(page):
    page.run(
        "Browser.grantPermissions",
        permissions=["clipboardReadWrite", "clipboardSanitizedWrite"],
    )
    find(page, ".sweep [data-copy][data-format=csv]").click()
    text = page.evaluate("return navigator.clipboard.readText();")
    assert text.splitlines()[0].startswith("method,length,RTE")


def test_a_change_of_the_color_scheme_redraws_the_figures(page):
    page.draw_all()
    script = "return getComputedStyle(document.querySelector('.chart .role-axis-title text')).fill;"
    light = page.evaluate(script)
    page.set_color_scheme("dark")
    page.evaluate("return new Promise((next) => setTimeout(next, 1000));")
    assert page.evaluate(script) != light
