// What scrolls sideways can be reached by the keyboard (WCAG 2.1.1): code and tables that are too wide.
"use strict";

function mark() {
    for (const box of document.querySelectorAll("article pre, article .table-wrapper")) {
        if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
        else box.removeAttribute("tabindex");
    }
}

mark();
addEventListener("resize", mark);
