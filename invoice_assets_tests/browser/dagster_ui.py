"""The Dagster UI as a person uses it: opens a page, presses a button, reads what is there, keeps a picture of it.

What must be seen where is the business of the tests. Locators go by roles and words, as readers of the screen do.
https://playwright.dev/python/docs/locators
"""

import re
from pathlib import Path

from playwright.sync_api import FloatRect, Locator, Page, ViewportSize, expect

VIEWPORT = ViewportSize(width=1200, height=860)
TOOLBAR_PX = 110
"""Where the graph begins."""
ZOOM_STEPS = 20
"""More than there are."""
LOCATION = "invoice_assets.definitions"
UNFOLDED = "/asset-groups?expanded=global@global:reference,global@global:source,global@global:transactions"
"""The graph with the assets of its groups, as its own address has it once they are unfolded."""
CHROME_ARGUMENTS = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run")


class DagsterUi:
    """A tab that shows the Dagster UI; pictures of it go to `images`, or nowhere."""

    def __init__(self, page: Page, *, images: Path | None) -> None:
        self.page, self._images = page, images

    def open(self, path: str) -> None:
        """Go to a page."""
        self.page.goto(path)

    def open_asset(self, name: str, *, tab: str = "Overview") -> None:
        """Go to a tab of a resource's asset."""
        self.open(f"/assets/invoicing/{name}")
        self.page.get_by_role("tab", name=tab).first.click()

    def open_automation(self, kind: str, name: str) -> None:
        """Go to the page of one of the `schedules` or `sensors`."""
        self.open(f"/locations/{LOCATION}/{kind}/{name}")

    def press(self, name: str | re.Pattern[str]) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name).first.click()

    def see(self, *texts: str | re.Pattern[str]) -> None:
        """Wait until each text is to be seen."""
        for text in texts:
            expect(self.page.get_by_text(text).filter(visible=True).first).to_be_visible()

    def launch_backfill(self, *, partitions: str | None = None) -> None:
        """In the dialog that asks which partitions: those named, or all of them."""
        dialog = self.page.get_by_role("dialog")
        if partitions is None:
            dialog.get_by_role("button", name="All", exact=True).click()
        else:
            selection = dialog.get_by_role("textbox")
            selection.fill(partitions)
            selection.press("Enter")
        dialog.get_by_role("button", name="Launch backfill").click()
        self.see("Created backfill")

    def follow_notification(self, text: str) -> None:
        """Wait for a notification and go where it leads."""
        notifications = self.page.get_by_role("region", name="Notifications").get_by_role("listitem")
        notifications.filter(has_text=text).get_by_role("link").click()

    def expand_group(self, name: str) -> None:
        """Unfold a group of the tree beside the graph."""
        group = self.find_in_tree(name)
        group.click()
        group.press("ArrowRight")

    def find_in_tree(self, name: str, *, status: str = "") -> Locator:
        """A group, or an asset with this mark before its name, in the tree beside the graph."""
        return self.page.get_by_role("button", name=f"{status} {name} {name}".lstrip())

    def fit_graph(self, *names: str) -> None:
        """Drag the graph towards the middle, and zoom out of it until these assets are whole on the screen."""
        nodes = [self.page.locator("foreignObject").filter(has_text=re.compile(f"^{name}")) for name in names]
        self._drag((500, 700), (360, 570))
        for _ in range(ZOOM_STEPS):
            if all(self._is_whole(node) for node in nodes):
                return
            self.press("zoom_out")
        raise AssertionError(f"not all on the screen: {', '.join(names)}")

    def _drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move(*end, steps=5)
        mouse.up()

    def _is_whole(self, node: Locator) -> bool:
        """Whether it is drawn, which Dagster leaves out far from the screen, and below the search bar."""
        if node.count() == 0:
            return False
        box = node.bounding_box()
        return box is not None and box["y"] > TOOLBAR_PX and box["y"] + box["height"] < VIEWPORT["height"]

    def switch(self, kind: str, name: str, *, on: bool) -> None:
        """Go to a schedule's or a sensor's page and use its switch."""
        self.open_automation(kind, name)
        switch = self.page.get_by_role("row", name="Running").get_by_role("checkbox")
        expect(switch).to_be_checked(checked=not on)
        switch.press("Space")
        expect(switch).to_be_checked(checked=on)

    def save_image(self, name: str, *, height: int = VIEWPORT["height"]) -> None:
        """Keep a picture of the page, from its top, where pictures are asked for."""
        if self._images is None:
            return
        expect(self.page.get_by_role("progressbar").filter(visible=True)).to_have_count(0)
        clip = FloatRect(x=0, y=0, width=VIEWPORT["width"], height=height)
        self.page.screenshot(path=self._images / f"{name}.png", clip=clip, animations="disabled")
