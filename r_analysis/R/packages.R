#' Debian package of each R package that the analysis loads.
#'
#' @return Named character vector: names are R packages, values Debian 12 packages.
required_packages <- function() {
  c(
    brglm2 = "r-cran-brglm2", clubSandwich = "r-cran-clubsandwich", dplyr = "r-cran-dplyr",
    ggplot2 = "r-cran-ggplot2", knitr = "r-cran-knitr", lme4 = "r-cran-lme4", patchwork = "r-cran-patchwork",
    pROC = "r-cran-proc", ragg = "r-cran-ragg", readr = "r-cran-readr", rmarkdown = "r-cran-rmarkdown",
    svglite = "r-cran-svglite", tidyr = "r-cran-tidyr"
  )
}

#' What is missing of R's packages and of pandoc, as one message with the line to type.
#'
#' @param packages Named character vector as of [required_packages()].
#' @param pandoc Path of pandoc, "" if there is none.
#' @return One string, or NULL if nothing is missing.
describe_missing_software <- function(packages = required_packages(), pandoc = Sys.which("pandoc")) {
  # clubSandwich tells that it replaces a method of sandwich's: nothing that a user needs to know.
  is_there <- function(name) suppressMessages(requireNamespace(name, quietly = TRUE))
  missing <- packages[!vapply(names(packages), is_there, logical(1))]
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
