#' Numbers for the report.
#'
#' @param x Numeric vector.
#' @param digits Decimals.
#' @return Character vector; a dash where there is no number.
format_number <- function(x, digits = 3) {
  ifelse(is.na(x), "\u2013", formatC(as.numeric(x), digits = digits, format = "f", big.mark = ","))
}

#' Numbers for the report, each with its own decimals.
#'
#' @param x Numeric vector.
#' @param digits Decimals, one a number.
#' @return Character vector; a dash where there is no number.
format_each <- function(x, digits) {
  as.character(mapply(format_number, x, digits, USE.NAMES = FALSE))
}

#' p values: four decimals where they are small.
#'
#' @param p Numeric vector.
#' @return Character vector; a dash where there is none.
format_p <- function(p) {
  text <- ifelse(p < 0.01, sprintf("%.4f", p), sprintf("%.3f", p))
  ifelse(is.na(p), "\u2013", ifelse(p < 0.00005, "<\u00a00.0001", text))
}

#' Text that is not broken at its spaces.
#'
#' @param text Character vector.
#' @return Character vector.
keep_together <- function(text) {
  gsub(" ", "\u00a0", text, fixed = TRUE)
}

#' A value with its interval and unit.
#'
#' @param value,low,high Numeric vectors.
#' @param digits Decimals, one number or one a value.
#' @param unit Units; "" for shares.
#' @return Character vector such as "76.1 [66.3, 83.8] %"; a dash where there is no value.
format_estimate <- function(value, low, high, digits = 3, unit = "") {
  text <- mapply(function(value, low, high, digits, unit) {
    interval <- if (!is.na(low) && !is.na(high)) sprintf(
      " [%s, %s]", format_number(low, digits), format_number(high, digits)
    )
    if (is.na(value)) "\u2013" else paste0(format_number(value, digits), interval, if (nzchar(unit)) paste0(" ", unit))
  }, value, low, high, digits, unit, USE.NAMES = FALSE)
  keep_together(as.character(text))
}

#' Decimals that a quantity deserves: none for counts, three for shares, two for the rest.
#'
#' @param value Numeric vector.
#' @param unit Units; "" for shares.
#' @return Numeric vector.
choose_digits <- function(value, unit) {
  is_count <- !is.na(value) & value == round(value) & !unit %in% c("", "%", "cm", "years")
  ifelse(is_count, 0, ifelse(unit == "", 3, 2))
}

#' A small number in words.
#'
#' @param count Whole number from 1 to 12.
#' @return String.
format_count <- function(count) {
  words <- c("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
  stopifnot(count %in% seq_along(words))
  words[count]
}

#' HTML of a table, with the cohort in its caption.
#'
#' @param table List as of [new_report_table()], NULL for nothing.
#' @param label Cohort label.
#' @return HTML that knitr takes as it is; nothing for a table without rows.
format_table <- function(table, label) {
  if (NROW(table$table) == 0) {
    return(invisible(NULL))
  }
  align <- ifelse(vapply(table$table, is.numeric, logical(1)), "r", "l")
  caption <- paste0(label, ". ", table$caption)
  html <- knitr::kable(table$table, format = "html", row.names = FALSE, align = align, caption = caption, escape = TRUE)
  class <- if (isTRUE(table$wrap)) "scroll wrap" else "scroll"
  knitr::asis_output(paste0("\n<div class=\"", class, "\">\n", html, "\n</div>\n\n", table$note))
}

#' HTML of a figure that was written, or the sentence that says why it was not.
#'
#' @param figure Element of [build_figures()], NULL for nothing.
#' @param name Its name; the page refers to NAME.png, which [embed_pictures()] puts into it.
#' @param label Cohort label.
#' @return HTML that knitr takes as it is.
format_figure <- function(figure, name, label) {
  if (is.null(figure)) {
    return(invisible(NULL))
  }
  if (is.null(figure$plot) && is.null(figure$picture)) {
    return(knitr::asis_output(paste0("\n<p class=\"notice\">", label, ". ", figure$gap, ".</p>\n\n")))
  }
  image <- sprintf(
    "<img src=\"%s.png\" alt=\"%s\" style=\"width:%.0fpx\"/>", name, figure$alt, 110 * figure$width
  )
  caption <- sprintf("<figcaption>%s. %s</figcaption>", label, figure$caption)
  knitr::asis_output(paste0("\n<figure>", image, caption, "</figure>\n\n"))
}
