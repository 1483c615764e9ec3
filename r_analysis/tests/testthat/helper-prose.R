#' Takes the names that have digits out of a text: parts of the article and ledger, categories, confidence levels,
#' Dice's formula, the DOI. What digits are left are numbers.
remove_names <- function(prose) {
  names <- c(
    "doi:[0-9./a-z]+", "(Figs?\\.|Tables?|items?|section) [0-9.]+(\\s+and\\s+[0-9]+)?", "\u00a7[0-9]", "LR-[345]",
    "9[05]&nbsp;%", "2 TP"
  )
  for (name in names) {
    prose <- gsub(name, "", prose)
  }
  prose
}
