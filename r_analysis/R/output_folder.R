OUTPUT_ENTRIES <- c("figures", "paper_comparison.csv", "report.html", "tables")

#' Problems with the folder that is to be written: something else is in the way.
#'
#' @param out Folder.
#' @return Problems.
check_output_folder <- function(out) {
  if (file.exists(out) && !dir.exists(out)) {
    return(new_problems("--out", "", NA, "a folder", paste("the file", out)))
  }
  others <- setdiff(list.files(out, all.files = TRUE, no.. = TRUE), OUTPUT_ENTRIES)
  new_problems(
    "--out", "", rep(NA, min(1, length(others))), paste("a new folder, or one that holds an earlier report only:", out),
    paste("also", paste(utils::head(others, 5), collapse = ", "))
  )
}

#' Fills a folder beside `out` and moves it into place when it is complete.
#'
#' @param out Folder to write; an earlier report there is replaced.
#' @param fill Function of the path of the folder to fill.
replace_folder <- function(out, fill) {
  parent <- dirname(out)
  dir.create(parent, showWarnings = FALSE, recursive = TRUE)
  beside <- tempfile(paste0(".", basename(out), "-"), parent)
  earlier <- paste0(beside, "-earlier")
  if (!suppressWarnings(dir.create(beside))) {
    stop_for_problems(
      new_problems("--out", "", NA, "a folder that can be written", paste(parent, "where nothing can be written"))
    )
  }
  on.exit(unlink(beside, recursive = TRUE))
  fill(beside)
  if (dir.exists(out) && !file.rename(out, earlier)) {
    stop("the earlier report could not be moved away: ", out)
  }
  if (!file.rename(beside, out)) {
    if (dir.exists(earlier)) file.rename(earlier, out)
    stop("the report could not be moved to ", out)
  }
  unlink(earlier, recursive = TRUE)
}
