#' Debian package of each R package that the analysis loads.
#'
#' @return Named character vector: names are R packages, values Debian 12 packages.
required_packages <- function() {
  c(
    dplyr = "r-cran-dplyr", ggplot2 = "r-cran-ggplot2", knitr = "r-cran-knitr", patchwork = "r-cran-patchwork",
    ragg = "r-cran-ragg", readr = "r-cran-readr", rmarkdown = "r-cran-rmarkdown", svglite = "r-cran-svglite",
    tidyr = "r-cran-tidyr"
  )
}

#' What is missing of R's packages and of pandoc, as one message with the line to type.
#'
#' @param packages Named character vector as of [required_packages()].
#' @param pandoc Path of pandoc, "" if there is none.
#' @return One string, or NULL if nothing is missing.
describe_missing_software <- function(packages = required_packages(), pandoc = Sys.which("pandoc")) {
  missing <- packages[!vapply(names(packages), requireNamespace, logical(1), quietly = TRUE)]
  debian <- c(unname(missing), if (!nzchar(pandoc)) "pandoc")
  if (length(debian) == 0) {
    return(NULL)
  }
  paste0(
    "The report needs what is not installed: ",
    paste(c(names(missing), if (!nzchar(pandoc)) "pandoc"), collapse = ", "),
    ".\nType: sudo apt-get install -y ", paste(debian, collapse = " ")
  )
}
